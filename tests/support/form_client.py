"""A client of either era that shows forms to a person, who is the test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.raw_mcp import RawMcp
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_client import Message
    from tests.support.raw_mcp import Era

FORMS: Message = {"elicitation": {"form": {}}}
"""The capability of a client that shows forms."""
CLAUDE_CODE = {"name": "claude-code", "version": "2.1.329"}


@dataclass(frozen=True)
class Shown:
    """A form that waits for its answer."""

    message: str
    schema: dict[str, Any]
    call: int
    """The id of the call that brought it."""
    name: Any
    """Of the form: the id of the server's request, or its name in the call's result."""
    token: str | None
    arguments: dict[str, Any]


class FormClient(RawMcp):
    """Declares `capabilities`, and calls itself as `info` says."""

    def __init__(
        self,
        workspace: Path,
        env: dict[str, str],
        era: Era,
        capabilities: Message | None = None,
        info: Message | None = None,
    ) -> None:
        super().__init__(workspace, {**env, "CODEX_FUSION_PERMIT": "human"}, era)
        self._capabilities = FORMS if capabilities is None else capabilities
        self._info = info or {"name": "raw", "version": "1"}
        self._until = time.monotonic() + LIMIT_S

    def line(self) -> bytes | None:
        # One bound for all: while a call waits there is a sign of life now and then, so no single wait ends.
        return self._lines.get(timeout=max(0.0, self._until - time.monotonic()))

    def greet(self) -> Message:
        if self._era != "handshake":
            return dict(self.call("server/discover", **self.envelope)["result"])
        opening = {"protocolVersion": "2025-11-25", "capabilities": self._capabilities}
        response = self.call("initialize", **opening, clientInfo=self._info)
        self.send(method="notifications/initialized")
        return dict(response["result"])

    @property
    def envelope(self) -> dict[str, Message]:
        if self._era == "handshake":
            return {}
        prefix = "io.modelcontextprotocol/"
        return {
            "_meta": {
                f"{prefix}protocolVersion": self._era,
                f"{prefix}clientInfo": self._info,
                f"{prefix}clientCapabilities": self._capabilities,
            }
        }

    def tool(self, name: str, **arguments: object) -> Message:
        """Call a tool; its result."""
        return self.result(self.begin_tool(name, **arguments))

    def result(self, call: int) -> Message:
        """The result of a call."""
        response = self.until_response(call)[-1]
        assert "result" in response, response
        return dict(response["result"])

    def pushed(self, call: int, arguments: dict[str, Any]) -> Shown:
        """The form that the server sends while the call runs."""
        request = self.until_method("elicitation/create")[-1]
        params = request["params"]
        return Shown(params["message"], params["requestedSchema"], call, request["id"], None, arguments)

    def shown(self, **arguments: object) -> Shown:
        """The form that a call of `permit` brings."""
        call = self.begin_tool("permit", **arguments)
        if self._era == "handshake":
            return self.pushed(call, arguments)
        result = self.result(call)
        assert result["resultType"] == "input_required", result
        [(name, request)] = result["inputRequests"].items()
        assert request["method"] == "elicitation/create"
        params = request["params"]
        token = result["requestState"]
        return Shown(params["message"], params["requestedSchema"], call, name, token, arguments)

    def begin_fill_in(self, shown: Shown, action: str, **content: object) -> int:
        """Answer a form; the id of the call that brings the result."""
        reply = {"action": action, **({"content": content} if content else {})}
        if self._era == "handshake":
            self.send(id=shown.name, result=reply)
            return shown.call
        return self.retry(shown, {shown.name: reply}, shown.token)

    def retry(self, shown: Shown, responses: Message, token: str | None, **other: object) -> int:
        """The call once more, with answers to its forms."""
        carried = {"inputResponses": responses} | ({"requestState": token} if token is not None else {})
        arguments = {**shown.arguments, **other}
        return self.request("tools/call", name="permit", arguments=arguments, **carried, **self.envelope)

    def fill_in(self, shown: Shown, action: str, **content: object) -> Message:
        """Answer a form; what the call came to."""
        return self.result(self.begin_fill_in(shown, action, **content))


def words(result: Message) -> str:
    """The text of a result."""
    return "\n".join(block["text"] for block in result["content"])
