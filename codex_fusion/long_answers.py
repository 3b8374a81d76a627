"""A result too long for a client: Codex's text is cut, and a pointer tells where all of it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codex_fusion import excerpt, render
from codex_fusion.outcome import Status

if TYPE_CHECKING:
    from codex_fusion.outcome import Outcome

RESULT_LIMIT = 500_000
"""Characters of a result, all blocks together: the most that Claude Code 2.1 lets a tool declare."""
NOTICE_LIMIT = 50_000
"""Characters of a notice in a result that would be too long."""
POINTER = 1_000
"""Characters that the pointer and the verdict's line may take. Of the verdict's words, half of that."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Where all of it can be read: the debate's resource, and where in its pages the rest begins."""

    uri: str
    page: int
    pages: int


def is_long(outcome: Outcome) -> bool:
    """Whether its result would be beyond what a client takes."""
    return _size(outcome) > RESULT_LIMIT


def with_short_notices(outcome: Outcome) -> Outcome:
    """The outcome with notices that leave room for what it is about."""
    return replace(outcome, notices=tuple(map(_notice, outcome.notices)))


def shown(outcome: Outcome) -> str:
    """The beginning of Codex's text, as much as the result has room for.

    A pause shows none: it has requests, and those are never cut.
    """
    if outcome.status in (Status.PERMISSION, Status.BUSY):
        return outcome.text
    around = _size(replace(outcome, text="…"))
    return excerpt.beginning(outcome.text, max(0, RESULT_LIMIT - around - POINTER))


def shortened(outcome: Outcome, head: str, rest: Rest | None) -> Outcome:
    """The outcome with `head`, what of Codex's text is `shown`. `rest` None: nothing holds the rest."""
    left = len(outcome.text) - len(head)
    if not left:
        return outcome
    fence = excerpt.open_fence(head)
    parts = [f"{head}\n{fence}" if fence else head, _pointer(left, len(outcome.text), rest)]
    if outcome.verdict is not None:
        point = excerpt.beginning(outcome.verdict.point, POINTER // 2)
        parts.append(f"VERDICT: {outcome.verdict.state.name}" + (f" — {point}" if point else ""))
    return replace(outcome, text="\n\n".join(parts))


def _size(outcome: Outcome) -> int:
    return sum(map(excerpt.size, render.texts(outcome)))


def _pointer(left: int, whole: int, rest: Rest | None) -> str:
    told = f"✂️ Cut here: {left:,} of {whole:,} characters are left out."
    if rest is None:
        return f"{told} They are not kept."
    return (
        f"{told} They begin in the resource `{rest.uri}/{rest.page}` of this server, "
        f"and go on to `{rest.uri}/{rest.pages}`; all of it in one is `{rest.uri}`."
    )


def _notice(notice: str) -> str:
    head = excerpt.beginning(notice, NOTICE_LIMIT)
    if head == notice:
        return notice
    fence = excerpt.open_fence(head)
    closed = f"{head}\n{fence}" if fence else head
    left = len(notice) - len(head)
    where = "`fusion://debates` lists where they are."
    return f"{closed}\n\n✂️ Cut here: {left:,} characters are left out. {where}"
