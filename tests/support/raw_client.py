"""An ACP client that hides nothing: lines to an agent process and from it, over pipes, with bounded waits."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Message = dict[str, Any]
WAIT_LIMIT_S = 30.0


class RawClient:
    """One agent process, and what it said. Leaving the `with` ends it."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        self._cwd = cwd
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr: list[bytes] = []
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout,)),
            threading.Thread(target=self._drain, args=(self.process.stderr,)),
        ]
        self._requests = 0
        self.session = ""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(WAIT_LIMIT_S)
        for thread in self._threads:
            thread.join(WAIT_LIMIT_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _drain(self, stderr: IO[bytes]) -> None:
        self._stderr.extend(stderr)

    # --- to the agent

    def send_line(self, line: bytes) -> None:
        """Any bytes; the end of the line is added."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), line + b"\n")

    def send(self, **message: object) -> None:
        """A message."""
        self.send_line(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def request(self, method: str, **params: object) -> int:
        """Send a request, and return its id without waiting."""
        self._requests += 1
        self.send(id=self._requests, method=method, params=params)
        return self._requests

    def begin_prompt(self, words: str) -> int:
        """Send a prompt, and return the id of its request."""
        return self.request(
            "session/prompt", sessionId=self.session, prompt=[{"type": "text", "text": words}]
        )

    def answer(self, request: Message, option: str | None) -> None:
        """Choose this option of a permission request; None: it is cancelled."""
        outcome = {"outcome": "cancelled"} if option is None else {"outcome": "selected", "optionId": option}
        self.send(id=request["id"], result={"outcome": outcome})

    def cancel(self) -> None:
        """`session/cancel`."""
        self.send(method="session/cancel", params={"sessionId": self.session})

    def hang_up(self) -> None:
        """End of file for the agent."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    # --- from the agent

    def line(self) -> bytes | None:
        """The next line; None: the end of its output."""
        return self._lines.get(timeout=WAIT_LIMIT_S)

    def receive(self) -> Message:
        """The next message."""
        line = self.line()
        assert line is not None, f"The agent hung up: {self._stderr}"
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def until_response(self, request_id: int) -> list[Message]:
        """All messages up to the response to this request, which is the last of them."""
        messages = [self.receive()]
        while "method" in messages[-1] or messages[-1]["id"] != request_id:
            messages.append(self.receive())
        return messages

    def until_method(self, method: str) -> list[Message]:
        """All messages up to one with this method, which is the last of them."""
        messages = [self.receive()]
        while messages[-1].get("method") != method:
            messages.append(self.receive())
        return messages

    def stderr(self) -> bytes:
        """Everything it wrote there, once it is over."""
        self._threads[1].join(WAIT_LIMIT_S)
        return b"".join(self._stderr)

    def ended(self) -> int:
        """The exit code of the process, once it is over."""
        return self.process.wait(WAIT_LIMIT_S)

    # --- a whole exchange

    def call(self, method: str, **params: object) -> Message:
        """Send a request; the response, when it is there."""
        return self.until_response(self.request(method, **params))[-1]

    def open(self) -> Message:
        """Shake hands and open a session; the answer to `session/new`."""
        self.call("initialize", protocolVersion=1, clientCapabilities={})
        response = self.call("session/new", cwd=str(self._cwd), mcpServers=[])
        self.session = response["result"]["sessionId"]
        return response


def updates(messages: Sequence[Message], kind: str) -> list[Message]:
    """The updates of this kind."""
    found = (m["params"]["update"] for m in messages if m.get("method") == "session/update")
    return [update for update in found if update["sessionUpdate"] == kind]


def text_of(messages: Sequence[Message], kind: str = "agent_message_chunk") -> str:
    """What was said in pieces, in one."""
    return "".join(update["content"]["text"] for update in updates(messages, kind))
