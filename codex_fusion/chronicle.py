"""Keeps each turn that ended as a round of its debate. What goes wrong here is told, and costs no turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio.to_thread

from codex_fusion.debates import Debate, Decided, Round

if TYPE_CHECKING:
    from codex_fusion.archive import Archive
    from codex_fusion.driver import RunningTurn
    from codex_fusion.journal import Journal


class Chronicle:
    """Of one server: which debate is under way, and what is added to it. `archive` None keeps nothing."""

    def __init__(self, archive: Archive | None, workspace: str, journal: Journal) -> None:
        self._archive = archive
        self._workspace = workspace
        self._journal = journal
        self._debate: Debate | None = None
        self.problem: str | None = None
        """Why the last round could not be kept, for `status`."""

    async def add(self, turn: RunningTurn) -> None:
        """Keep a turn that is over. Raises nothing but a cancellation."""
        if self._archive is None:
            return
        try:
            await self._keep(self._archive, turn)
            self.problem = None
        except OSError as error:
            if self.problem is None:
                self._journal.line("debate_not_kept", problem=str(error))
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 a debate that is not kept is no reason to fail
            self._journal.bug(error)

    async def _keep(self, archive: Archive, turn: RunningTurn) -> None:
        explored = turn.brief.round is None
        debate = self._debate
        if explored or debate is None or turn.brief.round == 1:
            debate = Debate(archive.new_id(), self._workspace, *_held(turn))
        played = _round(turn)
        if not explored:
            self._debate = debate.with_round(played)  # also where it can't be written
        # Not in the way of the next call: it writes a file.
        await anyio.to_thread.run_sync(archive.add, debate, played)


def _held(turn: RunningTurn) -> tuple[str, str]:
    talk = turn.conversation
    if talk is None:
        return "", ""
    return ", ".join(word for word in (talk.agent_name, talk.model) if word), talk.confinement


def _round(turn: RunningTurn) -> Round:
    outcome = turn.outcome()
    verdict = outcome.verdict
    return Round(
        turn=outcome.turn,
        tool=outcome.tool,
        status=outcome.status.value,
        asked=turn.brief.asked,
        answer=outcome.text,
        began=time.time() - outcome.seconds,
        seconds=outcome.seconds,
        tokens=outcome.usage.total if outcome.usage else 0,
        verdict=verdict.state.value if verdict else "",
        point=verdict.point if verdict else "",
        problem=outcome.problem.message if outcome.problem else "",
        activity=tuple(turn.transcript.activity),
        decided=tuple(
            Decided(name, what, turn.decided.get(name, "not decided"))
            for name, what in turn.permissions.asked.items()
        ),
    )
