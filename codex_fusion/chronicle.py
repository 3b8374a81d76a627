"""Keeps each turn that ended as a round of its debate. What goes wrong here is told, and costs no turn."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio.to_thread

from codex_fusion.archive import new_id
from codex_fusion.debates import Debate, Decided, Round
from codex_fusion.long_answers import NOTICE_LIMIT

if TYPE_CHECKING:
    from codex_fusion.archive import Archive
    from codex_fusion.driver import RunningTurn
    from codex_fusion.journal import Journal
    from codex_fusion.library import Library

REMEMBERED = 100
"""Turns of which it is known in which debate they are."""


class Chronicle:
    """Of one server: which debate is under way, and what is added to it."""

    def __init__(self, library: Library, workspace: str, journal: Journal, asker: str = "Claude") -> None:
        self._library = library
        self._workspace = workspace
        self._journal = journal
        self._asker = asker
        self._debate: Debate | None = None
        self._writing = False
        self._debate_of: OrderedDict[int, str] = OrderedDict()
        self.problem: str | None = None
        """Why the last round could not be kept, for `status`."""

    async def add(self, turn: RunningTurn) -> None:
        """Keep a turn that is over. Raises nothing but a cancellation.

        Before it waits for anything the turn can be read: whoever waited for the turn's end comes after that.
        """
        try:
            await self._keep(turn)
            self.problem = None
        except OSError as error:
            if self.problem is None:
                self._journal.line("debate_not_kept", problem=str(error))
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 a debate that is not kept is no reason to fail
            self._journal.bug(error)

    def debate_of(self, turn: int) -> str | None:
        """The id of the debate that holds a turn that is over; None: nothing holds it."""
        return self._debate_of.get(turn)

    async def _keep(self, turn: RunningTurn) -> None:
        explored = turn.brief.round is None
        debate = self._debate
        if explored or debate is None or turn.brief.round == 1:
            debate = Debate(new_id(), self._workspace, *_held(turn), asker=self._asker)
        played = _round(turn)
        whole = debate.with_round(played)
        if not explored:
            self._debate = whole  # also where it can't be written
        archive = self._library.archive
        if archive is None and len(played.answer) <= NOTICE_LIMIT:
            return  # no result can have cut it: nobody needs to be shown it again
        self._library.hold(whole)
        self._debate_of[turn.brief.number] = whole.id
        if len(self._debate_of) > REMEMBERED:
            self._debate_of.popitem(last=False)
        if archive is not None and not self._writing:
            await self._write(archive)

    async def _write(self, archive: Archive) -> None:
        """Write what is not on the disk yet: also what is added meanwhile, or could not be written before.

        In a thread, so not in the way of the next call; one at a time, or an older round might come last.
        """
        self._writing = True
        try:
            while (debate := self._library.first_held()) is not None:
                await anyio.to_thread.run_sync(archive.keep, debate)
                self._library.let_go(debate)
        finally:
            self._writing = False


def _held(turn: RunningTurn) -> tuple[str, str]:
    talk = turn.conversation
    if talk is None:
        return "", ""
    return talk.about, talk.confinement


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
