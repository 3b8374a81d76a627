"""What Codex wrote and did in one turn, in order and bounded. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codex_fusion.announced import Announced
from codex_fusion.events import ContextUse, FileChange, Notice, Text, Thought, ToolCall, ToolKind, ToolUpdate

if TYPE_CHECKING:
    from codex_fusion.events import Update

TEXT_LIMIT = 4_000_000
"""Characters of text kept of one turn; what comes after is counted, not kept."""
MESSAGES_LIMIT = 10_000
"""Messages kept of one turn; what comes in later ones is counted, not kept."""
ACTIVITY_LIMIT = 500
"""Lines of activity kept of one turn; the oldest go first."""
_PIECES = 1_000
TAIL = 240
"""Characters of running text that a line of progress shows."""
LINE = 1_000
"""Characters of a line of activity."""
_SHOWN_OF_PIECE = 4 * TAIL  # white space among them is not shown


@dataclass(slots=True)
class _Message:
    commentary: bool
    pieces: list[str] = field(default_factory=list)

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        if len(self.pieces) > _PIECES:  # one character alone takes eighty bytes
            self.pieces[:] = ["".join(self.pieces)]

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
        self._tools = Announced()
        self._messages: list[_Message] = []
        self._message_id: str | None = None
        """Of the last one."""
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
    def is_empty(self) -> bool:
        """Whether nothing was heard yet."""
        return not (self._messages or self.activity or self.thought)

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
        # Never a message of the prompt before: an agent may use an id again.
        begun = len(self._messages) > self._prompt_begins
        same = begun and self._message_id == update.message_id
        new = not same or (update.message_id is None and self._interrupted)
        full = new and len(self._messages) >= MESSAGES_LIMIT
        piece = "" if full else update.text[: TEXT_LIMIT - self._size]
        self.text_dropped += len(update.text) - len(piece)
        self._size += len(piece)
        if not piece:
            return None
        if new:
            self._messages.append(_Message(update.commentary))
            self._message_id = update.message_id
        self._interrupted = False
        message = self._messages[-1]
        message.add(piece)
        return _tail(message.pieces) or None

    def _tool(self, tool: ToolCall) -> str | None:
        known = self._tools.calls.get(tool.id)
        # The texts of a change are the guardian's matter; here its path is enough.
        told = tuple(FileChange(change.path, None, "") for change in tool.changes)
        merged = self._tools.add(replace(tool, changes=told))
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
        taken.append(piece[-_SHOWN_OF_PIECE:])
        size += len(piece)
        if size > TAIL:
            break
    line = " ".join("".join(reversed(taken)).split())
    return line if len(line) <= TAIL else f"…{line[1 - TAIL :]}"
