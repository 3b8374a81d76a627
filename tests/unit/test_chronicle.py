"""Turns that ended become rounds of a debate, kept on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Semaphore
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from codex_fusion.archive import Archive
from codex_fusion.chronicle import REMEMBERED, Chronicle
from codex_fusion.conversation import Brief
from codex_fusion.journal import Journal
from codex_fusion.library import Library
from codex_fusion.long_answers import NOTICE_LIMIT
from codex_fusion.outcome import Outcome, Status
from codex_fusion.permissions import Permissions
from codex_fusion.transcript import Transcript
from codex_fusion.verdict import Verdict, VerdictState
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from codex_fusion.conversation import Conversation
    from codex_fusion.debates import Debate
    from codex_fusion.driver import RunningTurn
    from codex_fusion.resources import Entry


pytestmark = pytest.mark.anyio


@dataclass
class Turn:
    """As much of a turn that is over as the chronicle looks at."""

    brief: Brief
    result: Outcome
    conversation: Conversation | None = None
    transcript: Transcript = field(default_factory=Transcript)
    permissions: Permissions = field(default_factory=lambda: Permissions(lambda: "r1"))

    @property
    def decided(self) -> dict[str, str]:
        return self.permissions.fates

    def outcome(self) -> Outcome:
        return self.result


def turn(number: int, tool: str, round_number: int | None, text: str = "") -> RunningTurn:
    brief = Brief(number, tool, "the prompt", 300.0, round_number, asked=f"question {number}")
    verdict = Verdict(VerdictState.OPEN, "a point") if round_number else None
    answer = text or f"answer {number}"
    ended = Turn(brief, Outcome(Status.ANSWERED, tool, number, text=answer, verdict=verdict))
    ended.transcript.note("runs `ls`")
    return cast("RunningTurn", ended)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive({"XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture
def chronicle(archive: Archive) -> Chronicle:
    return Chronicle(Library(archive, "/ws"), "/ws", Journal(None))


async def test_the_rounds_of_a_debate_are_kept_together(chronicle: Chronicle, archive: Archive) -> None:
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "reply", 2))
    (name,) = archive.ids()
    kept = archive.read(name)
    assert kept is not None
    assert [(r.tool, r.asked, r.answer, r.verdict) for r in kept.rounds] == [
        ("consult", "question 1", "answer 1", "open"),
        ("reply", "question 2", "answer 2", "open"),
    ]
    assert kept.rounds[0].activity == ("runs `ls`",)


async def test_a_new_question_begins_a_new_debate(chronicle: Chronicle, archive: Archive) -> None:
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "brainstorm", 1))
    assert len(archive.ids()) == 2


async def test_an_exploration_stands_by_itself_and_ends_no_debate(
    chronicle: Chronicle, archive: Archive
) -> None:
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "explore", None))
    await chronicle.add(turn(3, "reply", 2))
    assert sorted(len(kept.rounds) for name in archive.ids() if (kept := archive.read(name))) == [1, 2]


async def test_a_fault_of_our_own_is_told_and_raised_to_nobody(
    chronicle: Chronicle, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = turn(1, "consult", 1)
    cast("Turn", broken).permissions = cast("Permissions", None)
    await chronicle.add(broken)
    assert "AttributeError" in capfd.readouterr().err


async def test_nothing_is_kept_when_history_is_off(tmp_path: Path) -> None:
    library = Library(None, "/ws")
    chronicle = Chronicle(library, "/ws", Journal(None))
    await chronicle.add(turn(1, "consult", 1))
    assert await library.entries() == []
    assert chronicle.debate_of(1) is None
    assert not (tmp_path / "state").exists()


async def test_a_turn_too_long_for_a_result_is_held_in_memory_when_history_is_off() -> None:
    library = Library(None, "/ws")
    chronicle = Chronicle(library, "/ws", Journal(None))
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "reply", 2, "x" * (NOTICE_LIMIT + 1)))
    await chronicle.add(turn(3, "explore", None))
    (entry,) = await library.entries()
    assert (entry.id, entry.rounds, entry.unwritten) == (chronicle.debate_of(2), 2, True)


class SlowDisk(Archive):
    """Writes when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__({"XDG_STATE_HOME": str(folder)})
        self.may_write = Semaphore(0)
        self.writing: list[int] = []

    def keep(self, debate: Debate) -> None:
        self.writing.append(len(debate.rounds))
        assert self.may_write.acquire(timeout=LIMIT_S)
        super().keep(debate)


async def test_a_turn_can_be_read_as_soon_as_it_is_over_however_slow_the_disk_is(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path)
    library = Library(disk, "/ws")
    chronicle = Chronicle(library, "/ws", Journal(None))

    async def entry() -> Entry:
        (found,) = await library.entries()
        assert found.id == chronicle.debate_of(1)
        return found

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chronicle.add, turn(1, "consult", 1))
        await anyio.lowlevel.checkpoint()
        assert ((await entry()).rounds, (await entry()).unwritten) == (1, True)
        tasks.start_soon(chronicle.add, turn(2, "reply", 2))
        await anyio.lowlevel.checkpoint()
        assert (await entry()).rounds == 2
        with anyio.fail_after(LIMIT_S):
            while not disk.writing:
                await anyio.lowlevel.checkpoint()
        assert disk.writing == [1]  # one at a time, or an older round might be written last
        disk.may_write.release()
        with anyio.fail_after(LIMIT_S):
            while not disk.ids():
                await anyio.lowlevel.checkpoint()
        assert (await entry()).rounds == 2  # what is written by now is only the first
        disk.may_write.release()
    assert ((await entry()).rounds, (await entry()).unwritten) == (2, False)


async def test_only_the_latest_turns_are_remembered(chronicle: Chronicle) -> None:
    for number in range(1, REMEMBERED + 2):
        await chronicle.add(turn(number, "explore", None))
    assert chronicle.debate_of(1) is None
    assert chronicle.debate_of(2) is not None


async def test_a_debate_that_cannot_be_kept_costs_nothing_and_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    library = Library(Archive({"XDG_STATE_HOME": str(tmp_path / "state")}), "/ws")
    chronicle = Chronicle(library, "/ws", Journal(None))
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "reply", 2))
    assert chronicle.problem is not None
    (entry,) = await library.entries()
    assert (entry.id, entry.rounds, entry.unwritten) == (chronicle.debate_of(2), 2, True)
    assert capfd.readouterr().err.count("debate_not_kept") == 1


async def test_what_could_not_be_written_is_written_when_the_disk_is_well_again(tmp_path: Path) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file where the folder should be")
    archive = Archive({"XDG_STATE_HOME": str(in_the_way)})
    library = Library(archive, "/ws")
    chronicle = Chronicle(library, "/ws", Journal(None))
    await chronicle.add(turn(1, "consult", 1))
    await chronicle.add(turn(2, "explore", None))
    in_the_way.unlink()
    await chronicle.add(turn(3, "explore", None))
    assert sorted(archive.ids()) == sorted(str(chronicle.debate_of(number)) for number in (1, 2, 3))
    assert chronicle.problem is None
    assert [entry.unwritten for entry in await library.entries()] == [False] * 3


async def test_of_many_turns_at_once_nothing_is_kept_waiting_but_their_text(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path)
    chronicle = Chronicle(Library(disk, "/ws"), "/ws", Journal(None))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chronicle.add, turn(1, "consult", 1))
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(LIMIT_S):
            for number in range(2, 50):
                await chronicle.add(turn(number, "reply", number))
        disk.may_write.release()
        disk.may_write.release()
    assert disk.writing == [1, 49]
