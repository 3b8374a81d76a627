"""What an agent tells us, as our own frozen values: no wire types, no I/O.

`wire` makes these from JSON, `agent` delivers them, `policy`, `turn` and `render` read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_fusion.errors import AgentError


class ToolKind(StrEnum):
    """ACP's tool kinds. A kind that the agent left out, or that we do not know, is `UNKNOWN`."""

    READ = "read"
    EDIT = "edit"
    DELETE = "delete"
    MOVE = "move"
    SEARCH = "search"
    EXECUTE = "execute"
    THINK = "think"
    FETCH = "fetch"
    SWITCH_MODE = "switch_mode"
    OTHER = "other"
    UNKNOWN = "unknown"


class OptionKind(StrEnum):
    """What choosing a permission option means. `UNKNOWN` is never chosen."""

    ALLOW_ONCE = "allow_once"
    ALLOW_ALWAYS = "allow_always"
    REJECT_ONCE = "reject_once"
    REJECT_ALWAYS = "reject_always"
    UNKNOWN = "unknown"


_BY_DANGER = (
    ToolKind.UNKNOWN,  # says nothing, so anything said counts
    ToolKind.THINK,
    ToolKind.SEARCH,
    ToolKind.READ,
    ToolKind.FETCH,
    ToolKind.EDIT,
    ToolKind.MOVE,
    ToolKind.DELETE,
    ToolKind.EXECUTE,
    ToolKind.SWITCH_MODE,
    ToolKind.OTHER,
)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file's change as the agent announced it; `old_text` is None for a new file."""

    path: str
    old_text: str | None
    new_text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What is known so far of one tool call: its first announcement and every update, merged.

    `malformed` is set when a field that a judgement rests on (kind, locations, command, changes)
    was there but could not be read: such a call is asked, never allowed.
    """

    id: str
    title: str = ""
    kind: ToolKind = ToolKind.UNKNOWN
    status: str = ""
    command: str | None = None
    cwd: str | None = None
    paths: tuple[str, ...] = ()
    changes: tuple[FileChange, ...] = ()
    malformed: bool = False

    def merged(self, later: ToolCall) -> ToolCall:
        """This call with what `later` adds: nothing known is erased, and nothing dangerous is softened."""
        changes = {change.path: change for change in (*self.changes, *later.changes)}
        return replace(
            self,
            title=later.title or self.title,
            kind=max(self.kind, later.kind, key=_BY_DANGER.index),
            status=later.status or self.status,
            command=self.command if later.command is None else later.command,
            cwd=self.cwd if later.cwd is None else later.cwd,
            paths=tuple(dict.fromkeys((*self.paths, *later.paths))),
            changes=tuple(changes.values()),
            malformed=self.malformed or later.malformed,
        )


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that the agent offers for a permission request."""

    id: str
    name: str
    kind: OptionKind


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """The agent asks; `tool` already holds what earlier updates of the same tool call said."""

    session_id: str
    tool: ToolCall
    options: tuple[Option, ...]
    reason: str | None = None

    def option(self, kind: OptionKind) -> Option | None:
        """The first option of that kind, or None."""
        return next((o for o in self.options if o.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a message. `message_id` is None where the agent gives none.

    `commentary`: the agent itself says that this message is no answer (codex-acp 2.6.0 sends the
    phase `commentary` or `final_answer` in `_meta.jetbrains.air.phase`).
    """

    text: str
    message_id: str | None = None
    commentary: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of reasoning."""

    text: str
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolUpdate:
    """A tool call began or changed; `tool` is only what this update says."""

    tool: ToolCall


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How full the agent's context is, in tokens."""

    used: int
    size: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the agent says about itself: a retry, a reconnection."""

    text: str


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The session's mode is now this one, whoever changed it."""

    mode: str


Update = Text | Thought | ToolUpdate | ContextUse | Notice | ModeChanged


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn, as the agent counts them."""

    total: int
    input: int
    cached: int
    output: int
    thought: int

    def __add__(self, other: Usage) -> Usage:
        """Of two prompts of one turn."""
        return Usage(
            self.total + other.total,
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.thought + other.thought,
        )


@dataclass(frozen=True, slots=True)
class SessionFailure:
    """Why a turn that "ended" had in fact failed (codex-acp 2.6.0, with the opt-in)."""

    category: str
    title: str


@dataclass(frozen=True, slots=True)
class PromptResult:
    """The agent's answer to `session/prompt`."""

    stop_reason: str
    usage: Usage | None = None
    failure: SessionFailure | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A permission request, with the key under which its one answer is given."""

    key: int
    request: PermissionRequest


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The agent withdrew the request with this key."""

    key: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The prompt has no result: the agent answered with an error, or went away."""

    error: AgentError


Incoming = Update | Asking | TakenBack | PromptResult | Broken
"""Everything that a prompt can bring, until its `PromptResult` or `Broken`."""
Sink = Callable[[Incoming], None]
