"""What Codex wrote and did in one turn, in order and bounded. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codex_fusion.events import ContextUse, FileChange, Notice, Text, Thought, ToolCall, ToolKind, ToolUpdate

if TYPE_CHECKING:
    from codex_fusion.events import Update

TEXT_LIMIT = 4_000_000
"""Characters of text kept of one turn; what comes after is counted, not kept."""
ACTIVITY_LIMIT = 500
"""Lines of activity kept of one turn; the oldest go first."""
TOOLS_LIMIT = 2_000
"""Tool calls remembered for merging; the oldest go first."""
TAIL = 240
"""Characters of running text that a line of progress shows."""
LINE = 1_000
"""Characters of a line of activity."""


@dataclass(slots=True)
class _Message:
    id: str | None
    commentary: bool
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class Transcript:
    """Collects updates; `answer` is the final message, everything before it is activity."""

    def __init__(self) -> None:
        self.activity: list[str] = []
        self.context: ContextUse | None = None
        self.text_dropped = 0
        """Characters that came after `TEXT_LIMIT`."""
        self.thought = ""
        """The tail of the reasoning."""
        self.doing = "starting"
        """What Codex was last seen doing, for a heartbeat."""
        self.tools: OrderedDict[str, ToolCall] = OrderedDict()
        self._messages: list[_Message] = []
        self._prompt_begins = 0
        self._interrupted = True
        self._size = 0

    def begin_prompt(self) -> None:
        """What was written so far is not the answer to what is asked now."""
        self._prompt_begins = len(self._messages)
        self._interrupted = True

    def add(self, update: Update) -> str | None:
        """Take one update in; returns the line that shows it as progress, if it is worth one."""
        match update:
            case Text():
                return self._text(update)
            case Thought(text):
                self.thought = (self.thought + text)[-TAIL:]
                self.doing = "thinking"
                return f"💭 {_one_line(self.thought)}"
            case ToolUpdate(tool):
                return self._tool(tool)
            case ContextUse():
                self.context = update
                return None
            case Notice(text):
                self.doing = _one_line(text)
                return self.note(text)
            case _:
                return None

    def note(self, line: str) -> str:
        """Keep a line of activity, cut where it grows long; returns it as progress shows it."""
        line = _one_line(line, LINE)
        self.activity.append(line)
        del self.activity[:-ACTIVITY_LIMIT]
        return f"↳ {line}"

    @property
    def answer(self) -> str:
        """The last message that the current prompt brought, commentary only where there is nothing else."""
        messages = [m for m in self._messages[self._prompt_begins :] if m.text.strip()]
        final = [m for m in messages if not m.commentary] or messages
        return final[-1].text.strip() if final else ""

    @property
    def written(self) -> str:
        """Everything that Codex wrote in this turn, message by message."""
        return "\n\n".join(text for m in self._messages if (text := m.text.strip()))

    def _text(self, update: Text) -> str | None:
        self.doing = "writing"
        room = max(0, TEXT_LIMIT - self._size)
        piece = update.text[:room]
        self.text_dropped += len(update.text) - len(piece)
        self._size += len(piece)
        if not piece:
            return None
        # Never a message of the prompt before: an agent may use an id again.
        begun = len(self._messages) > self._prompt_begins
        same = begun and self._messages[-1].id == update.message_id
        if not same or (update.message_id is None and self._interrupted):
            self._messages.append(_Message(update.message_id, update.commentary))
        self._interrupted = False
        message = self._messages[-1]
        message.pieces.append(piece)
        return _tail(message.pieces) or None

    def _tool(self, tool: ToolCall) -> str | None:
        known = self.tools.get(tool.id)
        merged = known.merged(tool) if known else tool
        # The texts of a change are the guardian's matter; here its path is enough.
        told = tuple(FileChange(change.path, None, "") for change in merged.changes)
        self.tools[tool.id] = replace(merged, changes=told)
        if len(self.tools) > TOOLS_LIMIT:
            self.tools.popitem(last=False)
        self._interrupted = True
        line = describe_tool(merged)
        news = known is None or describe_tool(known) != line
        if news:
            self.doing = line
        if tool.status == "failed" and (known is None or known.status != "failed"):
            return self.note(f"failed: {line}")
        return self.note(line) if news else None


def describe_tool(tool: ToolCall) -> str:
    """A tool call in one line."""
    if tool.command is not None:
        return f"runs `{_one_line(tool.command)}`"
    verb = {ToolKind.EDIT: "edits", ToolKind.DELETE: "deletes", ToolKind.MOVE: "moves"}.get(tool.kind)
    paths = tool.paths or tuple(change.path for change in tool.changes)
    if verb and paths:
        return _one_line(f"{verb} {', '.join(paths)}")
    return _one_line(tool.title) or f"a tool call ({tool.kind})"


def _one_line(text: str, limit: int = TAIL) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _tail(pieces: list[str]) -> str:
    """The end of a message as one line, from the last few pieces alone: cheap for any length."""
    taken: list[str] = []
    size = 0
    for piece in reversed(pieces):
        taken.append(piece)
        size += len(piece)
        if size > TAIL:
            break
    line = " ".join("".join(reversed(taken)).split())
    return line if len(line) <= TAIL else f"…{line[1 - TAIL :]}"
