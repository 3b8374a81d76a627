"""A debate as it is kept: its rounds, what was asked and answered, what ran, who permitted what. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""Of the stored JSON. A file of another format is not read."""
TEXT_KEPT = 4_000_000
"""Characters kept of one question or answer: as many as a turn takes of Codex's text."""
DEBATE_KEPT = 10_000_000
"""Characters kept of all rounds together, beyond which the first rounds are cut to their beginnings."""
BEGINNING_KEPT = 2_000
"""Characters kept of a question or answer of such a round; of its activity nothing."""
ACTIVITY_KEPT = 200
"""Lines of activity kept of one round."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A permission that Codex asked for, and what became of it."""

    request: str
    what: str
    fate: str


@dataclass(frozen=True, slots=True)
class Round:
    """One turn. `verdict` is "", "open" or "consensus"; `seconds` is active work."""

    turn: int
    tool: str
    status: str
    asked: str
    answer: str
    began: float
    """Seconds since the epoch."""
    seconds: float
    tokens: int
    verdict: str = ""
    point: str = ""
    problem: str = ""
    activity: tuple[str, ...] = ()
    decided: tuple[Decided, ...] = ()

    @property
    def size(self) -> int:
        """Characters of its texts."""
        decisions = sum(len(d.what) + len(d.fate) for d in self.decided)
        texts = len(self.asked) + len(self.answer) + len(self.point) + len(self.problem)
        return texts + decisions + sum(map(len, self.activity))


@dataclass(frozen=True, slots=True)
class Debate:
    """One question and every reply to it, or one exploration."""

    id: str
    workspace: str
    agent: str
    confinement: str
    rounds: tuple[Round, ...] = field(default=())
    asker: str = "Claude"
    """Who asked: Claude, or "You", who ran `codex-fusion ask`."""

    @property
    def began(self) -> float:
        """Seconds since the epoch; 0 before the first round."""
        return self.rounds[0].began if self.rounds else 0.0

    @property
    def title(self) -> str:
        """The first line of what was asked."""
        first = (
            next((line.strip() for line in self.rounds[0].asked.splitlines() if line.strip()), "")
            if self.rounds
            else ""
        )
        return first if len(first) <= TITLE else f"{first[: TITLE - 1]}…"

    @property
    def ended(self) -> str:
        """How: the last round's verdict, or its status where there is none."""
        return (self.rounds[-1].verdict or self.rounds[-1].status) if self.rounds else "empty"

    @property
    def size(self) -> int:
        """Characters of all rounds together."""
        return sum(played.size for played in self.rounds)

    def with_round(self, added: Round) -> Debate:
        """This debate, and one more round, cut to what is kept."""
        rounds = [*self.rounds, _cut(added)]
        size = sum(played.size for played in rounds)
        for number, played in enumerate(rounds[:-1]):
            if size <= DEBATE_KEPT:
                break
            rounds[number] = _beginnings(played)
            size -= played.size - rounds[number].size
        return replace(self, rounds=tuple(rounds))


TITLE = 80


def _cut(whole: Round) -> Round:
    activity = whole.activity
    if len(activity) > ACTIVITY_KEPT:
        left = len(activity) - ACTIVITY_KEPT
        activity = (f"({left} earlier lines are not kept)", *activity[-ACTIVITY_KEPT:])
    return replace(whole, asked=_shortened(whole.asked), answer=_shortened(whole.answer), activity=activity)


def _beginnings(whole: Round) -> Round:
    asked, answer = _shortened(whole.asked, BEGINNING_KEPT), _shortened(whole.answer, BEGINNING_KEPT)
    return replace(whole, asked=asked, answer=answer, activity=())


def _shortened(text: str, kept: int = TEXT_KEPT) -> str:
    if len(text) <= kept:
        return text
    return f"{text[:kept]}\n\n(… {len(text) - kept:,} more characters are not kept)"


def to_json(debate: Debate) -> dict[str, Any]:
    """As it is stored."""
    return {"format": FORMAT, **asdict(debate)}


def from_json(value: object) -> Debate | None:
    """What `to_json` stored; None for anything else."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return None
    try:
        rounds = tuple(_round(r) for r in value["rounds"])
        texts = {name: str(value[name]) for name in ("id", "workspace", "agent", "confinement")}
        return Debate(rounds=rounds, **texts, asker=str(value.get("asker", "Claude")))
    except (KeyError, TypeError, ValueError):
        return None


def _round(value: Mapping[str, Any]) -> Round:
    texts = {n: str(value[n]) for n in ("tool", "status", "asked", "answer", "verdict", "point", "problem")}
    return Round(
        turn=int(value["turn"]),
        tokens=int(value["tokens"]),
        began=float(value["began"]),
        seconds=float(value["seconds"]),
        activity=tuple(str(line) for line in value["activity"]),
        decided=tuple(Decided(str(d["request"]), str(d["what"]), str(d["fate"])) for d in value["decided"]),
        **texts,
    )


def to_markdown(debate: Debate, when: str) -> str:
    """The whole debate for a reader; `when` is its beginning, in the reader's words."""
    head = f"# {debate.title or 'A debate'}\n\n{when} · {debate.workspace} · {debate.agent or 'an agent'}"
    confined = f"\n\nHow Codex was held: {debate.confinement}" if debate.confinement else ""
    rounds = (_round_markdown(number, played, debate.asker) for number, played in enumerate(debate.rounds, 1))
    return "\n\n".join((head + confined, *rounds)) + "\n"


def _round_markdown(number: int, played: Round, asker: str) -> str:
    cost = f"{played.seconds:.1f} s, {played.tokens:,} tokens"
    parts = [f"## Round {number}: {played.tool} ({played.status}, {cost})"]
    parts.append(f"### {asker} asked\n\n{played.asked}")
    if played.activity:
        parts.append("### What Codex did\n\n" + "\n".join(f"- {line}" for line in played.activity))
    if played.decided:
        parts.append(
            "### Permissions\n\n" + "\n".join(f"- {d.request}: {d.what} — {d.fate}" for d in played.decided)
        )
    if played.problem:
        parts.append(f"### Problem\n\n{played.problem}")
    if played.answer:
        parts.append(f"### Codex answered\n\n{played.answer}")
    if played.verdict:
        parts.append(f"**Verdict: {played.verdict.upper()}** — {played.point}")
    return "\n\n".join(parts)
