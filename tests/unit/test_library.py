"""The debates that a client may read: of this workspace, on the disk or in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import Semaphore
from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion import debates, library
from codex_fusion.archive import Archive
from codex_fusion.config import Config
from codex_fusion.errors import CallError
from codex_fusion.library import Library
from codex_fusion.resources import Address
from tests.support.kept import keep
from tests.support.waiting import LIMIT_S
from tests.unit.test_debates import DEBATE, ROUND

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FIRST = replace(DEBATE, id="20260101-000000-aaaaaa", rounds=())
SECOND = replace(DEBATE, id="20260102-000000-bbbbbb", rounds=())
FOREIGN = replace(DEBATE, id="20260103-000000-cccccc", rounds=(), workspace="/another")
KEY = "sk-" + "a1B2" * 12


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive({"XDG_STATE_HOME": str(tmp_path)})


@pytest.fixture
def shelf(archive: Archive) -> Library:
    for debate in (FIRST, SECOND, FOREIGN):
        keep(archive, debate, ROUND)
    return Library(archive, DEBATE.workspace)


async def ids(shelf: Library) -> list[str]:
    return [entry.id for entry in await shelf.entries()]


async def text(shelf: Library, debate_id: str, page: int | None = None) -> str:
    return await shelf.text(Address(debate_id, page))


async def test_the_debates_of_this_workspace_are_listed_the_newest_first(shelf: Library) -> None:
    assert await ids(shelf) == [SECOND.id, FIRST.id]
    listing = await shelf.listing()
    assert listing.index(SECOND.id) < listing.index(FIRST.id)
    assert FOREIGN.id not in listing


@pytest.mark.parametrize("name", [FOREIGN.id, "20260104-000000-dddddd"])
async def test_a_debate_of_another_workspace_is_not_there(shelf: Library, name: str) -> None:
    with pytest.raises(CallError, match=f"no resource 'fusion://debates/{name}'"):
        await text(shelf, name)
    assert await shelf.rest(name, 1, "") is None


async def test_a_debate_is_read_whole_or_by_the_page(shelf: Library) -> None:
    whole = await text(shelf, FIRST.id)
    assert whole.startswith("# Is it safe?\n")
    assert (await text(shelf, FIRST.id, 1)).startswith(whole)
    with pytest.raises(CallError, match="no page 2"):
        await text(shelf, FIRST.id, 2)


async def test_a_round_that_is_added_is_seen_and_what_went_is_not(shelf: Library, archive: Archive) -> None:
    assert [entry.rounds for entry in await shelf.entries()] == [1, 1]
    keep(archive, replace(SECOND, rounds=(ROUND,)), ROUND)
    (archive.folder / f"{FIRST.id}.json").unlink()
    assert [(entry.id, entry.rounds) for entry in await shelf.entries()] == [(SECOND.id, 2)]


async def test_what_did_not_change_is_not_read_again(shelf: Library, archive: Archive) -> None:
    class Counting(Archive):
        reads = 0

        def read(self, debate_id: str) -> debates.Debate | None:
            self.reads += 1
            return super().read(debate_id)

    shelf.archive = counting = Counting({"XDG_STATE_HOME": str(archive.folder.parents[1])})
    for _ in range(3):
        await shelf.entries()
    assert counting.reads == 3


async def test_a_slow_disk_keeps_nobody_waiting_but_the_reader(archive: Archive, tmp_path: Path) -> None:
    class Slow(Archive):
        may_read = Semaphore(0)

        def read(self, debate_id: str) -> debates.Debate | None:
            assert self.may_read.acquire(timeout=LIMIT_S)
            return super().read(debate_id)

    keep(archive, FIRST, ROUND)
    for reads in (Library.entries, Library.listing, partial(Library.text, address=Address(FIRST.id))):
        slow = Slow({"XDG_STATE_HOME": str(tmp_path)})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reads, Library(slow, DEBATE.workspace))
            await anyio.lowlevel.checkpoint()
            slow.may_read.release()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Library(slow, DEBATE.workspace).rest, FIRST.id, 1, "")
        await anyio.lowlevel.checkpoint()
        slow.may_read.release()


async def test_what_is_held_is_read_from_memory_as_it_would_be_from_its_file() -> None:
    shelf = Library(None, DEBATE.workspace)
    shelf.hold(replace(FIRST, rounds=(replace(ROUND, asked=f"{KEY}?"),)))
    (entry,) = await shelf.entries()
    assert (entry.title, entry.unwritten) == ("[redacted]?", True)
    assert "nothing is written to disk" in await shelf.listing()
    assert KEY not in await text(shelf, FIRST.id)


async def test_a_debate_without_words_has_a_title_to_be_listed_by() -> None:
    shelf = Library(None, DEBATE.workspace)
    shelf.hold(replace(FIRST, rounds=(replace(ROUND, asked=" "),)))
    assert [entry.title for entry in await shelf.entries()] == ["(no words)"]


async def test_what_is_held_comes_before_what_is_written_until_it_is_let_go(shelf: Library) -> None:
    longer = replace(FIRST, rounds=(ROUND, ROUND))
    shelf.hold(longer)
    shelf.let_go(replace(longer, rounds=()))  # what was written is older
    assert [(e.rounds, e.unwritten) for e in await shelf.entries()] == [(1, False), (2, True)]
    assert "## Round 2" in await text(shelf, FIRST.id)
    shelf.let_go(longer)
    shelf.let_go(longer)
    assert [(e.rounds, e.unwritten) for e in await shelf.entries()] == [(1, False), (1, False)]
    assert "## Round 2" not in await text(shelf, FIRST.id)


async def test_what_is_held_is_bounded_and_the_latest_stays() -> None:
    shelf = Library(None, DEBATE.workspace)
    half = replace(ROUND, answer="x" * (library.HELD // 2))
    for debate in (FIRST, SECOND, FIRST):
        shelf.hold(replace(debate, rounds=(half,)))
    assert await ids(shelf) == [FIRST.id]
    shelf.hold(replace(SECOND, rounds=(replace(ROUND, answer="x" * (library.HELD + 1)),)))
    assert await ids(shelf) == [SECOND.id]


@pytest.mark.parametrize("secret", ["", KEY])
async def test_where_an_answer_goes_on_is_the_page_that_holds_the_next_of_it(secret: str) -> None:
    shelf = Library(None, DEBATE.workspace)
    lines = [f"{number:06} {'x' * 90}\n" for number in range(1_000)]
    answer = f"{secret}\n" * 1_000 + "".join(lines)
    shelf.hold(replace(FIRST, rounds=(ROUND, replace(ROUND, turn=2, answer=answer))))
    for shown in (1, 500, 999):
        rest = await shelf.rest(FIRST.id, 2, answer[: answer.index(lines[shown])])
        assert rest is not None
        assert rest.uri == f"fusion://debates/{FIRST.id}"
        assert lines[shown] in await text(shelf, FIRST.id, rest.page)
        assert f"(Page {rest.pages} of {rest.pages}.)" in await text(shelf, FIRST.id, rest.pages)
    assert await shelf.rest(FIRST.id, 3, "") is None


def test_a_server_whose_history_is_off_has_no_archive(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert Library.of(Config(tmp_path, history=False), environ).archive is None
    archive = Library.of(Config(tmp_path), environ).archive
    assert archive is not None
    assert archive.folder.is_relative_to(tmp_path)
