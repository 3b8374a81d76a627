"""A puppet in Codex's place: `codex-fusion demo` debates with it, without an account or a model.

    python -m codex_fusion.scripted_agent [--pace SECONDS_PER_WORD]

It speaks the Agent Client Protocol on stdio in the shapes of codex-acp 2.6.0, and always plays the debate
written down in the scenes below, whatever it is asked. It reads no file and runs no command: it only says
so, as an agent would. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import uuid
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

QUESTION = "Our payment client times out under load. Is it safe to retry POST /payments up to 3 times?"
COUNTER = (
    "Line 41 is only the trace id. The Idempotency-Key is made once per payment, at client.py:28, outside "
    "the retry loop, and the gateway drops repeats of a key. Does the objection still hold?"
)
"""The two prompts that the scenes are written for: a consult, and the reply to its answer."""


class Step(NamedTuple):
    """What the puppet does next; to `run` a command it asks the client first, and says why."""

    do: Literal["think", "say", "read", "run"]
    text: str
    why: str = ""


OPENING = (
    Step(
        "think", "A timeout is not a failure: the charge may have gone through. Are two attempts one payment?"
    ),
    Step("say", "I will look at how the client builds its requests, then at what the tests cover."),
    Step("read", "payments/client.py"),
    Step("run", "pytest -q tests/test_client.py", "The tests write a cache; the sandbox is read-only."),
    Step(
        "say",
        "No, not as it stands.\n\n"
        "1. A timeout says only that no answer came. If the gateway had booked the first attempt, a retry "
        "books a second one.\n"
        "2. `payments/client.py:41` makes a new id for each attempt, so the gateway can't see that they are "
        "one payment.\n"
        "3. I ran the tests: 14 passed, but none lets the gateway succeed after the client gave up.\n\n"
        "VERDICT: OPEN — safe only if all attempts of one payment carry the same idempotency key",
    ),
)
AFTER_A_DENIAL = (
    Step("think", "No tests, then. What does the source alone show?"),
    Step(
        "say",
        "Understood, I ran nothing: what follows rests on reading `payments/client.py` alone.\n\n"
        "Not safe as it stands. Line 41 makes a new id for each attempt, so a payment that was booked after "
        "our time limit is booked again by the retry. Whether a test covers that case I could not see.\n\n"
        "VERDICT: OPEN — safe only if all attempts of one payment carry the same idempotency key",
    ),
)
CONCESSION = (
    Step("think", "Then I misread line 41. Does anything remain once the key is shared?"),
    Step("read", "payments/client.py"),
    Step(
        "say",
        "I concede the main point: line 28 makes the key before the loop, and line 41 is the trace id. All "
        "attempts share one key, so a late success is not charged again.\n\n"
        "One thing I hold: gateways forget keys after a while, so bound the retries by time and not only by "
        "count, and add the test that is missing (the gateway answers after the client gave up).\n\n"
        "VERDICT: CONSENSUS — retry with the one key, 3 attempts within a minute, plus the late-success test",
    ),
)
SETTLED = (Step("say", "Nothing to add.\n\nVERDICT: CONSENSUS — as settled before"),)

INITIALIZED = {
    "protocolVersion": 1,
    "agentInfo": {"name": "codex-fusion-scripted-agent", "title": "Codex (scripted)", "version": "1"},
    "agentCapabilities": {"sessionCapabilities": {"close": {}}},
}
MODES = {"read-only": "Read-only", "workspace-write": "Workspace access", "agent": "Auto review"}
ALWAYS = "Yes, and don't ask again for commands that start with `pytest`"
OPTIONS = (
    {"optionId": "allow_once", "name": "Yes, proceed", "kind": "allow_once"},
    {"optionId": "accept_execpolicy_amendment", "name": ALWAYS, "kind": "allow_always"},
    {"optionId": "cancel", "name": "No, and tell Codex what to do differently", "kind": "reject_once"},
)


@dataclass(slots=True)
class Session:
    """One conversation: the scene that its next prompt plays, and what it waits for."""

    cwd: str
    mode: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    scene: tuple[Step, ...] = OPENING
    turns: int = 0
    words: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    asked: int | None = None  # the id of the permission request that is open
    thread: threading.Thread | None = None


class TurnCancelled(Exception):  # noqa: N818 - an outcome, not an error
    """The client cancelled the turn, or refused what was asked: the real agent ends its turn on both."""


class Agent:
    """The protocol on two streams of bytes, with a thread for each turn."""

    def __init__(self, out: BinaryIO, pace: float) -> None:
        self._out, self._pace = out, pace
        self._writing, self._asking = threading.Lock(), threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._answers: list[SimpleQueue[str]] = []  # by the id of the permission request
        self._explains = False  # the client opted in to Codex's reasons

    def serve(self, lines: Iterable[bytes]) -> None:
        """Answer every message until the client hangs up."""
        for line in lines:
            message = json.loads(line)
            if "method" in message:
                self._called(message.get("id"), message["method"], message.get("params") or {})
            else:
                outcome = message.get("result", {}).get("outcome", {})
                self._answers[message["id"]].put(outcome.get("optionId", "cancel"))
        for session in self._sessions.values():
            self._cancel(session)
            if session.thread:
                session.thread.join()

    def _called(self, id_: int | str | None, method: str, params: dict[str, Any]) -> None:
        session = self._sessions.get(params.get("sessionId", ""))
        match method, session:
            case "initialize", _:
                self._explains = "sessionFailure" in json.dumps(params.get("clientCapabilities"))
                self._send(id=id_, result=INITIALIZED)
            case "session/new", _:
                mode = os.environ.get("INITIAL_AGENT_MODE", "agent")
                session = Session(params["cwd"], mode if mode in MODES else "agent")
                self._sessions[session.id] = session
                self._send(id=id_, result={"sessionId": session.id, "configOptions": _options(session)})
            case "session/prompt", Session():
                session.cancelled.clear()
                session.thread = threading.Thread(target=self._turn, args=(id_, session))
                session.thread.start()
            case "session/cancel", Session():
                self._cancel(session)
            case "session/set_mode", Session() if params["modeId"] in MODES:
                session.mode = params["modeId"]
                self._update(session, "config_option_update", configOptions=_options(session))
                self._send(id=id_, result={})
            case "session/set_mode", Session():
                self._send(id=id_, error={"code": -32602, "message": "Invalid params"})
            case "session/close", Session():
                self._cancel(self._sessions.pop(session.id))
                self._send(id=id_, result={})
            case "session/prompt" | "session/set_mode" | "session/close", None:
                self._send(id=id_, error={"code": -32002, "message": "Session not found"})
            case _ if id_ is not None:
                self._send(id=id_, error={"code": -32601, "message": f'"Method not found": {method}'})

    def _cancel(self, session: Session) -> None:
        with self._asking:
            session.cancelled.set()
            if session.asked is not None:
                self._send(method="$/cancel_request", params={"requestId": session.asked})
                self._answers[session.asked].put("cancel")

    def _turn(self, id_: int | str | None, session: Session) -> None:
        session.turns, before = session.turns + 1, session.words
        stop_reason = "end_turn"
        try:
            for number, step in enumerate(session.scene):
                self._perform(session, step, f"{session.turns}_{number}")
            session.scene = CONCESSION if session.scene in (OPENING, AFTER_A_DENIAL) else SETTLED
        except TurnCancelled:
            stop_reason = "cancelled"
        read, written = 9_000 + 2 * before, 2 * (session.words - before)
        self._update(session, "usage_update", used=read + written, size=258_400)
        usage = {"totalTokens": read + written, "inputTokens": read, "outputTokens": written}
        usage |= {"cachedReadTokens": 2 * before, "cachedWriteTokens": 0, "thoughtTokens": 20}
        self._send(id=id_, result={"stopReason": stop_reason, "usage": usage})

    def _perform(self, session: Session, step: Step, name: str) -> None:
        match step.do:
            case "think":
                self._stream(session, "agent_thought_chunk", f"rs_{name}", step.text)
            case "say":
                self._stream(session, "agent_message_chunk", f"msg_{name}", step.text)
            case "read":
                path = f"{session.cwd}/{step.text}"
                call = {"toolCallId": f"call_{name}", "title": f"Read file '{path}'", "kind": "read"}
                self._update(session, "tool_call", **call, status="in_progress", locations=[{"path": path}])
                self._update(session, "tool_call_update", toolCallId=f"call_{name}", status="completed")
            case "run":
                self._run(session, step, f"call_{name}")

    def _run(self, session: Session, step: Step, id_: str) -> None:
        raw = {"command": step.text, "cwd": session.cwd}
        call: dict[str, Any] = {"toolCallId": id_, "title": step.text, "rawInput": raw}
        self._update(session, "tool_call", **call, kind="execute", status="in_progress")
        allowed = self._ask(session, call, step.why) != "cancel"
        self._update(session, "tool_call_update", toolCallId=id_, status="completed" if allowed else "failed")
        if not allowed:
            session.scene = session.scene if session.cancelled.is_set() else AFTER_A_DENIAL
            raise TurnCancelled

    def _ask(self, session: Session, call: dict[str, Any], why: str) -> str:
        params: dict[str, Any] = {"sessionId": session.id, "toolCall": call, "options": OPTIONS}
        if self._explains:
            permission = {"version": 1, "title": "Run command?", "description": why}
            params["_meta"] = {"jetbrains": {"air": {"version": 1, "permission": permission}}}
        answers = SimpleQueue[str]()
        with self._asking:
            if session.cancelled.is_set():
                return "cancel"
            self._answers.append(answers)
            session.asked = len(self._answers) - 1
            self._send(id=session.asked, method="session/request_permission", params=params)
        answer = answers.get()
        session.asked = None
        return answer

    def _stream(self, session: Session, kind: str, message_id: str, text: str) -> None:
        for word in text.replace(" ", " \0").split("\0"):
            if session.cancelled.wait(self._pace):
                raise TurnCancelled
            session.words += 1
            self._update(session, kind, messageId=message_id, content={"type": "text", "text": word})

    def _update(self, session: Session, what: str, **fields: object) -> None:
        params = {"sessionId": session.id, "update": {"sessionUpdate": what, **fields}}
        self._send(method="session/update", params=params)

    def _send(self, **message: object) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False)
        with self._writing:
            try:
                self._out.write(line.encode() + b"\n")
                self._out.flush()
            except BrokenPipeError:
                pass  # the client hung up: the end of its messages ends this process


def _options(session: Session) -> list[dict[str, Any]]:
    modes = [{"value": value, "name": name} for value, name in MODES.items()]
    return [{"id": "mode", "name": "Mode", "type": "select", "currentValue": session.mode, "options": modes}]


def main() -> None:
    """Play the agent on stdin and stdout."""
    parser = argparse.ArgumentParser(prog="codex_fusion.scripted_agent", description=__doc__)
    parser.add_argument("--pace", type=float, default=0.02, help="seconds for each word (%(default)s)")
    Agent(sys.stdout.buffer, parser.parse_args().pace).serve(sys.stdin.buffer)


if __name__ == "__main__":
    main()
