"""The tool calls that an agent announced in one session, for whatever is said of them later. Pure, bounded.

A permission request often says less than the updates before it, so they are kept. An agent may announce as
much as it likes: what is kept of that has a limit in number and in size, and what is over it is never taken
for less than it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_fusion.events import ToolCall

if TYPE_CHECKING:
    from codex_fusion.events import PermissionRequest

CALLS_LIMIT = 2_000
"""Tool calls kept; the oldest go first. A request for one that is gone says by itself what it says."""
SIZE_LIMIT = 8_000_000
"""Characters kept of all of them together, as `size_of` counts."""
_PART = 100
"""What each text costs beside its characters."""


class Announced:
    """Of one session, or of one turn."""

    def __init__(self) -> None:
        self.calls: dict[str, ToolCall] = {}
        """What is known of each, by its id; the one that was heard of last stands last."""
        self.size = 0

    def add(self, tool: ToolCall) -> ToolCall:
        """Take in what an update says; returns all that is known of that tool call now."""
        known = self._forget(tool.id)
        merged = tool if known is None else known.merged(tool)
        if size_of(merged) > SIZE_LIMIT:
            # Malformed, so that nothing is allowed because of what was left out.
            merged = ToolCall(tool.id, kind=merged.kind, malformed=True)
        self.calls[tool.id] = merged
        self.size += size_of(merged)
        while self.size > SIZE_LIMIT or len(self.calls) > CALLS_LIMIT:
            self._forget(next(iter(self.calls)))
        return merged

    def _forget(self, call: str) -> ToolCall | None:
        known = self.calls.pop(call, None)
        if known is not None:
            self.size -= size_of(known)
        return known


def size_of(tool: ToolCall) -> int:
    """The characters of all its texts, and something for each of them."""
    texts = [tool.id, tool.title, tool.status, tool.command or "", tool.cwd or "", *tool.paths]
    for change in tool.changes:
        texts += (change.path, change.old_text or "", change.new_text)
    return sum(map(len, texts)) + _PART * len(texts)


def size_of_request(request: PermissionRequest) -> int:
    """The same of a whole request."""
    options = sum(len(option.id) + len(option.name) + _PART for option in request.options)
    return size_of(request.tool) + len(request.reason or "") + options
