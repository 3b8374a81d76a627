"""Puts a stdio server behind Streamable HTTP, for a client that speaks nothing else.

Thin on purpose: it moves messages and has no opinion of them. What the transport asks of an HTTP server
(sessions, headers, resumption, the origin) it does not do. All clients share one connection to one server
process, which is of the era of the first request; so in the handshake era it is greeted again and again.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Self

from tests.support.raw_mcp import ENVELOPE, Era
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Message = dict[str, Any]
DISCOVER: Message = {"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": ENVELOPE}}


class HttpBridge:
    """`url` is where the server of `command` answers clients of the era, until the `with` is left."""

    def __init__(self, command: tuple[str, ...], era: Era, *, cwd: Path, env: Mapping[str, str]) -> None:
        self._stdio = _Stdio(command, cwd, env)
        self._era = era
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._stdio))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if self._era != "handshake":
            list(self._stdio.ask(DISCOVER))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT_S)
        self._stdio.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/mcp"


class _Stdio:
    """The server process. Its clients all count from 0: it gets their requests under ids of our own."""

    def __init__(self, command: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._ids = itertools.count(1)
        self._waiting: dict[int, Queue[Message]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, message: Message) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def ask(self, request: Message) -> Iterator[Message]:
        """What comes while a request is served; its response is the last."""
        number = next(self._ids)
        heard: Queue[Message] = Queue()
        self._waiting[number] = heard
        self.send(request | {"id": number})
        try:
            while "method" in (message := heard.get(timeout=LIMIT_S)):
                yield message
            yield message | {"id": request["id"]}
        finally:
            del self._waiting[number]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(LIMIT_S)
        finally:
            self._process.kill()
            self._reader.join(LIMIT_S)
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            number = message.get("id")
            # What is no response says not to which request it belongs.
            for heard in list(self._waiting.values()) if "method" in message else [self._waiting[number]]:
                heard.put(message)


def _handler(stdio: _Stdio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self._answer(405)

        def do_DELETE(self) -> None:
            self._answer(405)

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if "method" in message and "id" in message:
                with suppress(
                    Empty, BrokenPipeError, ConnectionResetError
                ):  # nobody answers, or nobody listens
                    self._relay(stdio.ask(message))
            else:
                stdio.send(message)
                self._answer(202)

        def _relay(self, messages: Iterator[Message]) -> None:
            """The response as JSON; as events, if something comes before it."""
            first = next(messages)
            if "method" not in first:
                self._answer(200, json.dumps(first).encode())
                return
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for message in itertools.chain([first], messages):
                self.wfile.write(f"event: message\ndata: {json.dumps(message)}\n\n".encode())
                self.wfile.flush()

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
