"""A scripted Messages API on loopback, as far as Claude Code 2.1 uses it.

Each request that carries tools takes the next step of the script; the client's own small requests (a title
for the session, say) carry none and are answered apart, or they would eat a step.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.support.scripted_model import WAIT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Tell:
    """Text for the person."""

    text: str


@dataclass(frozen=True)
class Use:
    """A call of one of the client's tools."""

    tool: str
    input: dict[str, Any] = field(default_factory=dict)


Part = Tell | Use
Step = tuple[Part, ...]


class ScriptedClaude:
    """The server: `script` what Claude answers, then read `requests` for what the client sent."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_LIMIT_S)

    @property
    def url(self) -> str:
        """The client's `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *steps: Part | Step) -> None:
        """Append steps: a bare part is a step of one part."""
        with self._lock:
            self._steps.extend(s if isinstance(s, tuple) else (s,) for s in steps)

    def results(self) -> list[str]:
        """What came back to Claude from its tool calls, oldest first, by the last request's history."""
        return [_text_of(b.get("content")) for b in self._blocks() if b.get("type") == "tool_result"]

    def take(self, body: dict[str, Any]) -> Step:
        """The step that answers this request (called by the HTTP handler)."""
        if not body.get("tools"):
            return (Tell("T"),)
        with self._lock:
            self.requests.append(body)
            return self._steps.popleft() if self._steps else (Tell("(the script is over)"),)

    def _blocks(self) -> Iterator[dict[str, Any]]:
        for message in self.requests[-1]["messages"] if self.requests else ():
            if isinstance(message["content"], list):
                yield from message["content"]


def _text_of(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content)


def _handler(claude: ScriptedClaude) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet: the tests read `requests`."""

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
            step = claude.take(body)
            if body.get("stream"):
                self._stream(step)
            else:
                self._json(_whole(step))

        def _stream(self, step: Step) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # the client hung up
                for event in _events(step):
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                    self.wfile.flush()
            self.close_connection = True

        def _json(self, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


_USAGE = {"input_tokens": 10, "output_tokens": 5}
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-scripted",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": _USAGE,
}


def _blocks_of(step: Step) -> Iterator[dict[str, Any]]:
    """The content blocks of a step."""
    for part in step:
        match part:
            case Tell(text):
                yield {"type": "text", "text": text}
            case Use(tool, arguments):
                call = f"toolu_{uuid.uuid4().hex}"
                yield {"type": "tool_use", "id": call, "name": tool, "input": arguments}


def _stop_reason(step: Step) -> str:
    return "tool_use" if any(isinstance(part, Use) for part in step) else "end_turn"


def _whole(step: Step) -> dict[str, Any]:
    return _MESSAGE | {"content": list(_blocks_of(step)), "stop_reason": _stop_reason(step)}


def _events(step: Step) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _MESSAGE}
    for index, block in enumerate(_blocks_of(step)):
        if block["type"] == "text":
            empty, delta = block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty = block | {"input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _stop_reason(step), "stop_sequence": None},
        "usage": _USAGE,
    }
    yield {"type": "message_stop"}
