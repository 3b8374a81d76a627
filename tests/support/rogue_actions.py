"""What the rogue agent can do (rogue_agent.py): a function is an action, and its keywords are the fields."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.rogue_core import Ask, Rejected

if TYPE_CHECKING:
    from tests.support.rogue_core import Doer, Rogue, Turn

MODES = ("read-only", "workspace-write", "agent", "agent-full-access")
USAGE = {
    "totalTokens": 1050,
    "inputTokens": 800,
    "cachedReadTokens": 200,
    "outputTokens": 50,
    "thoughtTokens": 5,
}
BLOCK = 1 << 16
PROGRAM = (sys.executable, "-I", "-S", str(Path(__file__).with_name("rogue_agent.py")))


# --- what an agent says


def send(rogue: Rogue, _turn: Turn, *, message: object) -> None:
    """Any JSON, as a line."""
    rogue.send(message)


def raw(rogue: Rogue, _turn: Turn, *, base64: str) -> None:
    """Any bytes."""
    rogue.write(b64decode(base64))


def big_line(rogue: Rogue, _turn: Turn, *, head: str, size: int, tail: str) -> None:
    """One line: head, `size` times x, tail."""
    blocks, rest = divmod(size, BLOCK)
    rogue.write(head.encode(), *([b"x" * BLOCK] * blocks), b"x" * rest, tail.encode() + b"\n")


def _notification(turn: Turn, update: dict[str, Any], session: str | None) -> dict[str, Any]:
    params = {"sessionId": turn.session if session is None else session, "update": update}
    return {"jsonrpc": "2.0", "method": "session/update", "params": params}


def update(rogue: Rogue, turn: Turn, *, update: dict[str, Any], session: str | None = None) -> None:
    """A `session/update`, by default for the session of the turn."""
    rogue.send(_notification(turn, update, session))


def text(
    rogue: Rogue, turn: Turn, *, text: str, message: str | None = "msg", session: str | None = None
) -> None:
    """A piece of a message."""
    named = {} if message is None else {"messageId": message}
    chunk = {"sessionUpdate": "agent_message_chunk", **named, "content": {"type": "text", "text": text}}
    rogue.send(_notification(turn, chunk, session))


def flood(rogue: Rogue, turn: Turn, *, count: int, update: dict[str, Any]) -> None:
    """The same update many times, with a number, from 0, in place of each `{n}` in it."""
    line = json.dumps(_notification(turn, update, None)).encode() + b"\n"
    at_once = max(1, BLOCK // len(line))
    for first in range(0, count, at_once):
        numbers = range(first, min(first + at_once, count))
        rogue.write(b"".join(line.replace(b"{n}", b"%d" % n) for n in numbers))


def stderr(_rogue: Rogue, _turn: Turn, *, text: str, size: int | None = None, newline: bool = True) -> None:
    """The text on stderr, repeated up to `size` bytes."""
    line = (text + "\n" * newline).encode()
    left = len(line) if size is None else size
    block = line if left <= len(line) else line * (BLOCK // len(line) + 1)
    while left > 0:
        left -= os.write(2, block[: min(left, len(block))])


def flood_of_requests(rogue: Rogue, _turn: Turn, *, count: int, size: int) -> None:
    """So many requests that no client knows, each with `size` bytes in it."""
    method = {"jsonrpc": "2.0", "method": "_future/method", "params": {"x": "x" * size}}
    for n in range(count):
        rogue.send({**method, "id": f"flood-{n}"})


# --- how an agent answers


def reply(
    rogue: Rogue,
    turn: Turn,
    *,
    result: dict[str, Any] | None = None,
    stop_reason: str = "end_turn",
    meta: dict[str, Any] | None = None,
) -> None:
    """The result of the request: this one, or what codex-acp would answer."""
    if result is None and (result := _result(rogue, turn, stop_reason)) is None:
        error(rogue, turn, code=-32601, message=f'"Method not found": {turn.event}')
        return
    turn.answered = True
    more = {} if meta is None else {"_meta": meta}
    rogue.send({"jsonrpc": "2.0", "id": turn.message.get("id"), "result": {**result, **more}})


def error(rogue: Rogue, turn: Turn, *, code: int, message: str) -> None:
    """An error as the answer."""
    turn.answered = True
    rogue.send({"jsonrpc": "2.0", "id": turn.message.get("id"), "error": {"code": code, "message": message}})


def _result(rogue: Rogue, turn: Turn, stop_reason: str) -> dict[str, Any] | None:
    """What codex-acp would answer; None: it does not know the method."""
    match turn.event:
        case "initialize":
            sessions: dict[str, Any] = {name: {} for name in ("resume", "list", "close", "delete", "fork")}
            capabilities = {"loadSession": True, "sessionCapabilities": sessions}
            info = {"name": "rogue-agent", "title": "Rogue", "version": "2.6.0"}
            return {"protocolVersion": 1, "agentInfo": info, "agentCapabilities": capabilities}
        case "session/new" | "session/fork" | "session/load" | "session/resume":
            new = turn.event in {"session/new", "session/fork"}
            session = f"rogue-{rogue.journal.start}-{len(rogue.modes) + 1}" if new else turn.session
            # As in codex-acp: it starts in the initial mode, whatever its parent's was.
            rogue.modes[session] = os.environ.get("INITIAL_AGENT_MODE") or "agent"
            return {"sessionId": session, "configOptions": _config_options(rogue, session)}
        case "session/set_mode" | "session/set_config_option":
            rogue.modes[turn.session] = turn.params.get("modeId") or turn.params["value"]
            options = _config_options(rogue, turn.session)
            rogue.send(_notification(turn, _options_update(options), None))
            return {} if turn.event == "session/set_mode" else {"configOptions": options}
        case "session/prompt":
            return {"stopReason": stop_reason, "usage": USAGE}
        case "session/close" | "session/delete" | "authenticate":
            return {}
    return None


def _config_options(rogue: Rogue, session: str) -> list[dict[str, Any]]:
    mode = rogue.claimed_mode or rogue.modes.get(session, "agent")
    options = [{"value": value, "name": value} for value in dict.fromkeys((*MODES, mode))]
    return [{"id": "mode", "name": "Mode", "type": "select", "currentValue": mode, "options": options}]


def _options_update(options: list[dict[str, Any]]) -> dict[str, Any]:
    return {"sessionUpdate": "config_option_update", "configOptions": options}


def mode(rogue: Rogue, turn: Turn, *, value: str, tell: bool = False) -> None:
    """From now on every session is said to be in this mode, whatever the client sets."""
    rogue.claimed_mode = value
    if tell:
        rogue.send(_notification(turn, _options_update(_config_options(rogue, turn.session)), None))


# --- permission requests


def ask(  # noqa: PLR0913 - the fields of a message
    rogue: Rogue,
    turn: Turn,
    *,
    call: dict[str, Any],
    options: list[dict[str, str]],
    announce: dict[str, Any] | None = None,
    reason: str | None = None,
    ask_id: int | str | None = None,
    session: str | None = None,
    answered: bool = True,
    end_on_reject: bool = True,
) -> None:
    """A permission request, after the announcement of its tool call; by default, wait for the answer."""
    if announce is not None:
        rogue.send(_notification(turn, {"sessionUpdate": "tool_call", **announce}, session))
    params: dict[str, Any] = {"sessionId": turn.session if session is None else session}
    params |= {"toolCall": call, "options": options}
    if reason is not None:
        permission = {"version": 1, "title": "Run command?", "description": reason}
        params["_meta"] = {"jetbrains": {"air": {"version": 1, "permission": permission}}}
    id_ = len(rogue.asks) if ask_id is None else ask_id
    rejecting = {o["optionId"] for o in options if o["kind"].startswith("reject")} | {"cancelled", "error"}
    rogue.asks.append(Ask(id_, turn, rejecting if end_on_reject else set()))
    rogue.journal.write("asked", id=id_, session=params["sessionId"])
    rogue.send({"jsonrpc": "2.0", "id": id_, "method": "session/request_permission", "params": params})
    if answered:
        wait(rogue, turn, ids=[id_])


def wait(rogue: Rogue, turn: Turn, *, ids: list[int | str] | None = None) -> None:
    """Until the turn's requests (or these) are answered; a rejection ends the wait, and the turn."""
    asks = [ask for ask in rogue.asks if ask.turn is turn and (ids is None or ask.id in ids)]

    def rejected() -> bool:
        return any(ask.rejecting.intersection(ask.answers) for ask in asks)

    rogue.until(turn, lambda: rejected() or all(ask.answers or ask.withdrawn for ask in asks))
    if rejected():
        raise Rejected


def withdraw(rogue: Rogue, turn: Turn, *, ids: list[int | str] | None = None) -> None:
    """Take back what the turn has open (or these), as codex-acp does when it is cancelled."""
    for ask in rogue.asks:
        is_open = ask.turn is turn and not ask.answers and not ask.withdrawn
        if is_open if ids is None else ask.id in ids:
            ask.withdrawn = True
            rogue.send({"jsonrpc": "2.0", "method": "$/cancel_request", "params": {"requestId": ask.id}})


# --- waits and ends


def sequence(rogue: Rogue, turn: Turn, *, actions: list[dict[str, Any]]) -> None:
    """One after the other."""
    for action in actions:
        rogue.perform(turn, action)


def gate(rogue: Rogue, turn: Turn, *, name: str) -> None:
    """Until the test opens it."""
    rogue.until(turn, lambda: name in rogue.gates)


def sleep_until_cancel(rogue: Rogue, turn: Turn) -> None:
    """Until `session/cancel`; the script's next actions are what is done about it."""
    turn.deaf = True
    rogue.until(turn, lambda: turn.cancel is not None)


def hang(rogue: Rogue, turn: Turn) -> None:
    """For ever."""
    turn.deaf = True
    rogue.until(turn, lambda: False)


def ignore(rogue: Rogue, _turn: Turn, *, what: str) -> None:
    """From now on this event (`session/cancel`, `SIGTERM`, `EOF` …) is logged, and nothing else."""
    rogue.ignored.add(what)


def exit_(_rogue: Rogue, _turn: Turn, *, code: int) -> None:
    """End at once."""
    os._exit(code)


def kill_self(_rogue: Rogue, _turn: Turn, *, by: str = "SIGKILL") -> None:
    """Be killed; by SIGSTOP: be frozen."""
    os.kill(os.getpid(), signal.Signals[by])


def close_stdout(_rogue: Rogue, _turn: Turn) -> None:
    """Hang up, and live on; what is written later goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def close_stdin(rogue: Rogue, turn: Turn) -> None:
    """Close the other direction: the client's writes fail."""
    stop_reading(rogue, turn)
    rogue.on_main(lambda: os.dup2(os.open(os.devnull, os.O_RDONLY), 0))


def stop_reading(rogue: Rogue, _turn: Turn) -> None:
    """Leave what the client writes in the pipe."""

    def stop() -> None:
        rogue.reading = False

    rogue.on_main(stop)


# --- children


def spawn_child(
    rogue: Rogue, _turn: Turn, *, holds: list[str], ignores: list[str], own_session: bool = False
) -> None:
    """A child that keeps these of our streams open, and ignores these signals."""
    ready_r, ready_w = os.pipe()
    script = rogue.script()
    settings = {"log": script.get("log"), "control": script.get("control"), "start": rogue.journal.start}
    settings |= {"ignores": ignores, "ready": ready_w}

    def stream(name: str) -> int | None:
        return None if name in holds else subprocess.DEVNULL

    child = subprocess.Popen(
        [*PROGRAM, "--child", json.dumps(settings)],
        stdin=stream("stdin"),
        stdout=stream("stdout"),
        stderr=stream("stderr"),
        pass_fds=(ready_w,),
        start_new_session=own_session,
    )
    rogue.children.append(child)
    os.close(ready_w)
    os.read(ready_r, 1)  # the child has set itself up, and closed its end
    os.close(ready_r)


def child_dies(rogue: Rogue, _turn: Turn) -> None:
    """The last child is killed."""
    child = rogue.children.pop()
    child.kill()
    child.wait()


ACTIONS: dict[str, Doer] = {
    doer.__name__.rstrip("_"): doer
    for doer in (
        *(send, raw, big_line, update, text, flood, flood_of_requests, stderr, reply, error, mode),
        *(ask, wait, withdraw, sequence, gate, sleep_until_cancel, hang, ignore),
        *(exit_, kill_self, close_stdout, close_stdin, stop_reading, spawn_child, child_dies),
    )
}
