"""`status` in words: derived from what is, at the moment of asking. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_fusion.config import Confinement, WhoPermits
from codex_fusion.render import explain
from codex_fusion.wording import duration

if TYPE_CHECKING:
    from codex_fusion.config import Config
    from codex_fusion.driver import RunningTurn
    from codex_fusion.outcome import Outcome
    from codex_fusion.session import Snapshot

PARTIAL_SHOWN = 2_000
"""Characters of a failed turn's text that `status` repeats: its call may never have been answered."""
MINUTE_S = 60
"""Seconds below which a limit is told to the fraction."""


def describe(
    config: Config, now: Snapshot, log_problem: str | None, history_problem: str | None = None
) -> str:
    """Everything that a person or Claude would want to know before the next call."""
    lines = [
        f"workspace: {config.workspace}",
        f"agent: {_agent(now)}",
        f"confinement: {_confinement(config, now)}",
        f"allowed ahead of time: {_allowed(config)}",
        f"who permits: {_permits(config)}",
        f"session: {_session(now)}",
        f"now: {_doing(now)}",
        f"since the start: {_count(now.turns, 'turn')}, {now.tokens:,} tokens, {_count(now.resets, 'reset')}",
        f"limits: {_limit(config.turn_timeout_s)} of active work per turn",
        f"log: {config.log or 'off'}" + (f" (NOT WRITTEN: {log_problem})" if log_problem else ""),
        f"history: {_history(config, history_problem)}",
    ]
    lines += [f"ℹ️ {notice}" for notice in (now.conversation.notices if now.conversation else ())]  # noqa: RUF001 the sign is meant
    return "\n".join((*lines, *_last_failure(now.last)))


def _agent(now: Snapshot) -> str:
    if now.conversation is None:
        return "no session (the next call opens one)"
    if now.agent_alive:
        return f"running ({now.conversation.about})" if now.conversation.about else "running"
    code = now.conversation.agent.returncode
    ended = f" (exit code {code})" if code is not None else ""
    return f"not running{ended}; the next call starts it anew"


def _confinement(config: Config, now: Snapshot) -> str:
    if config.confinement is Confinement.AGENT:
        return "agent (codex-fusion confines nothing: Codex acts in whatever mode he starts in)"
    if now.conversation is None:
        return f"{config.confinement.value} (put in force, and verified, when a session is opened)"
    return now.conversation.confinement


def _history(config: Config, problem: str | None) -> str:
    if not config.history:
        return "off"
    return f"NOT KEPT: {problem}" if problem else "kept (`codex-fusion log`)"


def _allowed(config: Config) -> str:
    allow = config.allow
    opened = [
        word
        for word, is_open in (
            ("reading outside and the network", allow.external_reads),
            ("writing in the workspace", allow.writes),
            ("commands outside the sandbox", allow.commands),
        )
        if is_open
    ]
    asked = "a person" if config.permit is WhoPermits.HUMAN else "Claude"
    return ", ".join(opened) or f"nothing: {asked} is asked"


def _permits(config: Config) -> str:
    return "a person, at each `permit`" if config.permit is WhoPermits.HUMAN else "Claude"


def _session(now: Snapshot) -> str:
    talk = now.conversation
    if talk is None:
        return "none"
    parts = [f"{duration(now.now - talk.opened_at)} old", _count(talk.turns, "turn")]
    if talk.round:
        parts.append(f"debate in round {talk.round}")
    if talk.context is not None and talk.context.size > 0:
        parts.append(f"context {100 * talk.context.used / talk.context.size:.0f}% full")
    return f"{talk.session_id}, {', '.join(parts)}"


def _limit(seconds: float) -> str:
    return duration(seconds) if seconds >= MINUTE_S else f"{seconds:g} s"


def _doing(now: Snapshot) -> str:
    turn = now.turn
    waiting = f"; {_count(now.waiting, 'call')} waiting" if now.waiting else ""
    if turn is None:
        return f"idle{waiting}"
    if now.conversation is not None and not now.agent_alive:
        # The news of it is on its way to the turn.
        return f"turn {turn.brief.number} ({turn.brief.tool}) is ending: the agent went away{waiting}"
    return _turn(turn, now.now) + waiting


def _turn(turn: RunningTurn, now: float) -> str:
    name = f"turn {turn.brief.number} ({turn.brief.tool})"
    if turn.paused and turn.paused_at is not None:
        asked = "; ".join(f"{r.id}: {r.what}" for r in turn.open_requests.values())
        return f"{name} waits for `permit` for {duration(now - turn.paused_at)}: {asked}"
    return f"{name} is running for {duration(now - turn.began_at)}; last: {turn.transcript.doing}"


def _last_failure(last: Outcome | None) -> list[str]:
    if last is None or last.problem is None:
        return []
    lines = [f"last turn: {last.turn} ({last.tool}) {last.status.value}: {explain(last.problem)}"]
    if last.text:
        cut = f"…{last.text[-PARTIAL_SHOWN:]}" if len(last.text) > PARTIAL_SHOWN else last.text
        lines.append(f"what Codex wrote in it:\n{cut}")
    return lines


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
