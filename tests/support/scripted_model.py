"""A scripted model on loopback: the Responses API, as far as Codex 0.166 uses it.

Each request that carries tools takes the next step of the script; Codex's request for a session
title carries none and is answered apart, or it would eat a step.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_LIMIT_S = 30.0
"""No step waits longer than this: a forgotten gate fails the test and does not hang it."""


@dataclass(frozen=True)
class Think:
    """A reasoning summary, streamed before what follows it."""

    text: str


@dataclass(frozen=True)
class Say:
    """A message of the assistant, streamed word by word."""

    text: str


@dataclass(frozen=True)
class Run:
    """A shell command; with a reason it asks to run outside the sandbox."""

    cmd: str
    escalate: str | None = None


@dataclass(frozen=True)
class Patch:
    """An `apply_patch` call."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call of any other tool, by name."""

    name: str
    arguments: dict[str, Any]
    namespace: str | None = None
    """The MCP server's, of a tool of such."""


@dataclass(frozen=True)
class Fail:
    """An HTTP error in place of an answer."""

    status: int
    message: str = "scripted failure"


@dataclass
class Gate:
    """Holds the step until a test opens it; `reached` tells the test that it is being held."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Let the step go on."""
        self.opened.set()


Part = Think | Say | Run | Patch | Call | Fail | Gate
Step = tuple[Part, ...]


class ScriptedModel:
    """The server: `script` what it answers, then read `requests` for what Codex sent."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # How often it looks whether it is to end: half a second by default, for every test.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_LIMIT_S)

    @property
    def url(self) -> str:
        """The address for `base_url` of a model provider."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *steps: Part | Step) -> None:
        """Append steps: a bare part is a step of one part."""
        with self._lock:
            self._steps.extend(s if isinstance(s, tuple) else (s,) for s in steps)

    @property
    def steps_left(self) -> int:
        """How many steps nobody has asked for yet."""
        return len(self._steps)

    def tool_outputs(self) -> list[str]:
        """What came back to the model from tool calls, in the order of the last request's history."""
        if not self.requests:
            return []
        kinds = {"function_call_output", "custom_tool_call_output"}
        return [_text_of(i.get("output")) for i in self.requests[-1]["input"] if i.get("type") in kinds]

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Step:
        """The step that answers this request (called by the HTTP handler)."""
        if not body.get("tools"):
            return (Say('{"title": "T"}'),)
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            return self._steps.popleft() if self._steps else (Say("(the script is over)"),)


def _text_of(output: object) -> str:
    if isinstance(output, list):
        return "".join(part.get("text", "") for part in output if isinstance(part, dict))
    return output if isinstance(output, str) else json.dumps(output)


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet: the tests read `requests`."""

        def do_GET(self) -> None:
            self._json(200, {"models": [], "data": []})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
            step = model.take(body, dict(self.headers.items()))
            if isinstance(step[0], Fail):
                self._json(step[0].status, {"error": {"message": step[0].message, "type": "scripted"}})
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            try:
                for event in _events(step, len(model.requests)):
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                pass  # Codex hung up: a cancelled turn
            self.close_connection = True

        def _json(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _events(step: Step, number: int) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {"id": f"resp_{number}"}}
    for index, part in enumerate(step):
        name = f"{number}_{index}"
        match part:
            case Gate():
                part.reached.set()
                part.opened.wait(WAIT_LIMIT_S)
            case Think(text):
                yield from _thinking(text, f"rs_{name}")
            case Say(text):
                yield from _message(text, f"msg_{name}")
            case Run(cmd, reason):
                arguments: dict[str, Any] = {"cmd": cmd}
                if reason is not None:
                    arguments |= {"sandbox_permissions": "require_escalated", "justification": reason}
                yield _function_call("exec_command", arguments, name)
            case Call(tool, arguments, namespace):
                yield _function_call(tool, arguments, name, namespace)
            case Patch(text):
                item = {"type": "custom_tool_call", "name": "apply_patch", "input": text}
                item |= {"call_id": f"call_{name}", "id": f"ctc_{name}"}
                yield {"type": "response.output_item.done", "item": item}
            case Fail():
                msg = "Fail stands alone in its step"
                raise ValueError(msg)
    usage: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1050}
    usage |= {
        "input_tokens_details": {"cached_tokens": 200},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    yield {"type": "response.completed", "response": {"id": f"resp_{number}", "usage": usage}}


def _function_call(
    tool: str, arguments: dict[str, Any], name: str, namespace: str | None = None
) -> dict[str, Any]:
    item = {"type": "function_call", "name": tool, "arguments": json.dumps(arguments)}
    if namespace is not None:
        item["namespace"] = namespace
    return {
        "type": "response.output_item.done",
        "item": item | {"call_id": f"call_{name}", "id": f"fc_{name}"},
    }


def _words(text: str) -> Iterator[str]:
    words = text.split(" ")
    for i, word in enumerate(words):
        yield word if i == len(words) - 1 else word + " "


def _message(text: str, item_id: str) -> Iterator[dict[str, Any]]:
    item: dict[str, Any] = {"type": "message", "role": "assistant", "id": item_id}
    yield {"type": "response.output_item.added", "item": item | {"content": []}}
    for word in _words(text):
        yield {"type": "response.output_text.delta", "item_id": item_id, "delta": word}
    yield {
        "type": "response.output_item.done",
        "item": item | {"content": [{"type": "output_text", "text": text}]},
    }


def _thinking(text: str, item_id: str) -> Iterator[dict[str, Any]]:
    item: dict[str, Any] = {"type": "reasoning", "id": item_id}
    yield {"type": "response.output_item.added", "item": item | {"summary": []}}
    for word in _words(text):
        yield {
            "type": "response.reasoning_summary_text.delta",
            "item_id": item_id,
            "summary_index": 0,
            "delta": word,
        }
    yield {
        "type": "response.output_item.done",
        "item": item | {"summary": [{"type": "summary_text", "text": text}]},
    }
