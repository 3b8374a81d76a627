"""An outcome in the words that a client gets. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from codex_fusion.outcome import OpenRequest, Outcome, Problem, Status
from codex_fusion.prompts import FINAL_ROUND
from codex_fusion.scrub import scrub
from codex_fusion.verdict import VerdictState
from codex_fusion.wording import one_line

if TYPE_CHECKING:
    from codex_fusion.errors import FusionError
    from codex_fusion.events import FileChange

META_KEY = "codex-fusion/turn"
CONTEXT = 3
"""Lines of a file that a diff shows before and after a change."""
DIFF_LIMIT = 1_000_000
"""Pairs of lines beyond which the shortest diff is not looked for: that could take minutes."""
LINE_LIMIT = 10_000
"""Characters of what a request's line shows of one field."""

_ERRORS = (Status.CANCELLED, Status.TIMEOUT, Status.FAILED, Status.BUSY)


def is_error(outcome: Outcome) -> bool:
    """Whether this is no answer of Codex's, and no pause either."""
    return outcome.status in _ERRORS


def texts(outcome: Outcome, *, by_person: bool = False) -> list[str]:
    """The result's text blocks: what there is to say, then, apart from it, what was set aside.

    `by_person`: it is a person who decides what Codex asks for.
    """
    match outcome.status:
        case Status.ANSWERED:
            main = f"{outcome.text}\n\n{footer(outcome)}"
        case Status.PERMISSION:
            main = _pause(outcome, by_person=by_person)
        case _:
            main = _problem(outcome, by_person=by_person)
    return [main, *(f"ℹ️ {notice}" for notice in outcome.notices)]  # noqa: RUF001 the sign is meant


def footer(outcome: Outcome) -> str:
    """One line: seconds, tokens, how full the context is, round, and whether he remembers anything."""
    parts = [f"{outcome.seconds:.1f} s"]
    if outcome.usage is not None:
        parts.append(f"{outcome.usage.total:,} tokens")
    if outcome.context is not None and outcome.context.size > 0:
        parts.append(f"context {100 * outcome.context.used / outcome.context.size:.0f}% full")
    if outcome.round is not None:
        parts.append(f"round {outcome.round}")
    if outcome.new_session:
        parts.append("new session")
    if outcome.verdict is not None:
        parts.append(_next_move(outcome.verdict.state, outcome.round or 1))
    return f"— Codex · {' · '.join(parts)}"


def _next_move(state: VerdictState, round_number: int) -> str:
    if state is VerdictState.CONSENSUS:
        return "CONSENSUS"
    if round_number >= FINAL_ROUND:
        return f"OPEN after {round_number} rounds: settle it yourself now, and say where you differ"
    return f"OPEN: push back with `reply` (round {round_number + 1}), or concede"


def _pause(outcome: Outcome, *, by_person: bool) -> str:
    many = len(outcome.requests) > 1
    asks = f"he asks for {len(outcome.requests)} permissions" if many else "he asks for a permission"
    head = f"🔐 Codex paused in turn {outcome.turn} (`{outcome.tool}`): {asks}."
    how = _how_to_answer(outcome.requests, by_person=by_person)
    return "\n\n".join((head, *map(request_text, outcome.requests), how))


def _how_to_answer(requests: tuple[OpenRequest, ...], *, by_person: bool) -> str:
    name = requests[0].id if requests else "…"
    call = f'`permit(decision="allow", request="{name}")`'
    which = "naming each `request` in turn" if len(requests) > 1 else call
    person = "A person will be asked, and decides; yours is a proposal. " if by_person else ""
    return (
        f"Decide with `permit` ({which}): `allow` is for that one request only, "
        f"`deny` reaches Codex with your `note`. {person}"
        "Nothing of it runs before that, and the same turn goes on after it. "
        "(Claude Code refuses `permit` in plan mode: leave that first.)"
    )


def request_text(asked: OpenRequest) -> str:
    """An open request, whole, for whoever judges it."""
    tool = asked.request.tool
    lines = [f"**{asked.id}** — {asked.what}"]
    if tool.command is not None:
        lines += ["command:", fence(tool.command), f"folder: {_line(tool.cwd or '(not told)')}"]
    paths = [p for p in tool.paths if p not in {c.path for c in tool.changes}]
    if paths:
        lines.append(f"paths: {', '.join(map(_line, paths))}")
    for change in tool.changes:
        lines += [f"change of {_line(change.path)}:", fence(_diff(change), "diff")]
    if tool.command is None and not tool.paths and not tool.changes:
        lines.append(f"the agent calls it: {_line(tool.title) or '(nothing)'} ({tool.kind.value})")
    lines.append(f"Codex's reason: {_line(asked.request.reason or '(none given)')}")
    lines.append(f"why you are asked: {asked.why}")
    return "\n".join(lines)


def _line(text: str) -> str:
    """On one line, whatever the agent wrote: nothing of it can pass for a line of ours."""
    return one_line(text, LINE_LIMIT)


def _diff(change: FileChange) -> str:
    """The change as a unified diff, in bounded time: where too much differs, not the shortest one."""
    old, new = _lines(change.old_text or ""), _lines(change.new_text)
    if old == new:
        return "(a new, empty file)" if change.old_text is None else "(nothing changes)"
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    first, skipped = max(0, head - CONTEXT), max(0, tail - CONTEXT)
    old, new = old[first : len(old) - skipped], new[first : len(new) - skipped]
    if len(old) * len(new) > DIFF_LIMIT:
        before, after = head - first, len(old) - (tail - skipped)
        hunks = [f"@@ -{first + 1},{len(old)} +{first + 1},{len(new)} @@"]
        hunks += [f" {line}" for line in old[:before]]
        hunks += [f"-{line}" for line in old[before:after]]
        hunks += [f"+{line}" for line in new[before : len(new) - (tail - skipped)]]
        hunks += [f" {line}" for line in old[after:]]
    else:
        _, _, *lines = difflib.unified_diff(old, new, n=CONTEXT, lineterm="")
        hunks = [_shifted(line, first) for line in lines]
    name = _line(change.path)
    return "\n".join((f"--- {'/dev/null' if change.old_text is None else name}", f"+++ {name}", *hunks))


def _common(one: list[str], other: list[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shifted(line: str, by: int) -> str:
    """A diff's line; a hunk's head with its line numbers counted from the file's beginning."""
    if not line.startswith("@@"):
        return line
    return re.sub(r"(?<=[-+])\d+", lambda number: str(int(number[0]) + by), line)


def _lines(text: str) -> list[str]:
    """As git sees them: a change of line ends alone, or of the last one, is a change."""
    lines = text.split("\n")
    if not lines[-1]:
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def fence(text: str, language: str = "") -> str:
    """A code block that its content can't close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _problem(outcome: Outcome, *, by_person: bool) -> str:
    problem = outcome.problem or Problem("There is no answer, and no reason is known.")
    parts = [f"✗ {explain(problem)}"]
    if outcome.requests:
        how = _how_to_answer(outcome.requests, by_person=by_person)
        parts += [*map(request_text, outcome.requests), how]
    if outcome.text:
        parts.append(f"What Codex wrote until then:\n\n{outcome.text}")
    if outcome.status is not Status.BUSY:
        parts.append(footer(outcome))
    return "\n\n".join(parts)


def explain(problem: Problem) -> str:
    """What happened, the agent's last words, what to do; without secrets."""
    parts = [problem.message]
    if problem.details:
        parts.append(f"Its last words on stderr:\n{fence(problem.details.strip())}")
    if problem.remedy:
        parts.append(f"→ {problem.remedy}")
    return scrub("\n".join(parts))


def error_text(error: FusionError) -> str:
    """An error of a call that came to no turn."""
    return f"✗ {scrub(error.explain())}"


def meta(outcome: Outcome) -> dict[str, Any]:
    """What programs want of an outcome, under `META_KEY` of the result's `_meta`."""
    usage, verdict = outcome.usage, outcome.verdict
    return {
        "status": outcome.status.value,
        "tool": outcome.tool,
        "turn": outcome.turn,
        "verdict": {"state": verdict.state.value, "point": verdict.point} if verdict else None,
        "stop_reason": outcome.stop_reason,
        "seconds": round(outcome.seconds, 3),
        "usage": {
            "total": usage.total,
            "input": usage.input,
            "cached": usage.cached,
            "output": usage.output,
            "thought": usage.thought,
        }
        if usage
        else None,
        "session": {"id": outcome.session_id, "new": outcome.new_session, "round": outcome.round},
        "requests": [_request_meta(r) for r in outcome.requests],
    }


def _request_meta(asked: OpenRequest) -> dict[str, Any]:
    tool = asked.request.tool
    return {
        "id": asked.id,
        "what": asked.what,
        "why": asked.why,
        "kind": tool.kind.value,
        "command": tool.command,
        "cwd": tool.cwd,
        "paths": list(dict.fromkeys((*tool.paths, *(c.path for c in tool.changes)))),
        "reason": asked.request.reason,
    }
