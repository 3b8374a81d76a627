"""What a call comes to, before it is put into words. Frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_fusion.events import ContextUse, PermissionRequest, Usage
    from codex_fusion.verdict import Verdict


class Status(StrEnum):
    """How a call ended (`_meta["codex-fusion/turn"].status`)."""

    ANSWERED = "answered"
    PERMISSION = "permission"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    FAILED = "failed"
    BUSY = "busy"


class Decider(StrEnum):
    """Who decided a permission request, as the records say it after "allowed by", "denied by"."""

    CLAUDE = "Claude"
    PERSON = "the person"
    CONFIRMED = "Claude, with the person's yes"
    """The client asked the person, by itself, whether Claude's call may be made."""
    NOBODY = "codex-fusion: nobody was there to be asked"


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A permission request that waits for a decision; `why` is the policy's reason to ask."""

    id: str
    request: PermissionRequest
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer: what happened, and what to do next."""

    message: str
    remedy: str = ""
    details: str = ""
    """The agent's own last words on stderr, where they help."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call's report: an answer, a pause, or why there is neither.

    `text` is Codex's answer; where the turn did not come to one, whatever he wrote until then.
    `seconds` counts active work only. `round` is None for what is no debate.
    """

    status: Status
    tool: str
    turn: int
    text: str = ""
    problem: Problem | None = None
    requests: tuple[OpenRequest, ...] = ()
    verdict: Verdict | None = None
    stop_reason: str | None = None
    seconds: float = 0.0
    usage: Usage | None = None
    context: ContextUse | None = None
    session_id: str | None = None
    new_session: bool = False
    round: int | None = None
    notices: tuple[str, ...] = ()
    """What the reader must know beside the answer: what was set aside, a session that was lost."""
