"""An MCP client that hides nothing of what the server writes: bytes over pipes, in either protocol era."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Literal

from tests.support.raw_client import Message, RawClient

if TYPE_CHECKING:
    from pathlib import Path

Era = Literal["handshake", "2026-07-28"]
ERAS: tuple[Era, ...] = ("handshake", "2026-07-28")

_INFO = {"name": "raw", "version": "1"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": _INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class RawMcp(RawClient):
    """One server process, ours unless another command is named. Leaving the `with` ends it."""

    def __init__(
        self,
        workspace: Path,
        env: dict[str, str],
        era: Era = "handshake",
        *,
        command: tuple[str, ...] = (sys.executable, "-m", "codex_fusion.cli"),
    ) -> None:
        super().__init__(command, cwd=workspace, env=env)
        self._era = era

    def greet(self) -> Message:
        """What a client of the era says first; the result."""
        if self._era == "handshake":
            opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _INFO}
            response = self.call("initialize", **opening)
            self.send(method="notifications/initialized")
        else:
            response = self.call("server/discover", _meta=ENVELOPE)
        return dict(response["result"])

    def begin_tool(self, name: str, **arguments: object) -> int:
        """Call a tool, with progress, and return the id of the request."""
        meta = {"progressToken": 1, **self.envelope.get("_meta", {})}
        return self.request("tools/call", name=name, arguments=arguments, _meta=meta)

    def list_tools(self) -> Message:
        return self.call("tools/list", **self.envelope)

    @property
    def envelope(self) -> dict[str, Message]:
        """What each request of the era carries."""
        return {} if self._era == "handshake" else {"_meta": ENVELOPE}

    def send_bytes(self, data: bytes) -> None:
        """Any bytes, as they are."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), data)

    def rest(self) -> list[Message]:
        """All that it writes to stdout until its end; a line that is no message fails the test."""
        messages = []
        while (line := self.line()) is not None:
            messages.append(read(line))
        return messages


def read(line: bytes) -> Message:
    """The message of a line."""
    message = json.loads(line)
    assert message["jsonrpc"] == "2.0"
    return dict(message)


def progress(messages: list[Message]) -> list[str]:
    """The texts of the progress messages."""
    sent = (m["params"] for m in messages if m.get("method") == "notifications/progress")
    return [params["message"] for params in sent]
