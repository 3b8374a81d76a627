from __future__ import annotations

import time
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from codex_fusion import log
from codex_fusion.archive import Archive
from codex_fusion.errors import CallError
from codex_fusion.terminal import Screen
from tests.support.kept import keep
from tests.unit.test_debates import DEBATE, ROUND

if TYPE_CHECKING:
    from pathlib import Path

FIRST = replace(DEBATE, id="20260101-000000-aaaaaa", rounds=())
SECOND = replace(DEBATE, id="20260102-000000-bbbbbb", rounds=())


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive({"XDG_STATE_HOME": str(tmp_path / "state")})
    keep(archive, FIRST, ROUND)
    second = keep(archive, SECOND, replace(ROUND, asked="Another?", verdict="open"))
    keep(archive, second, replace(ROUND, verdict="consensus"))
    return archive


def said(archive: Archive, debate_id: str | None = None, *, as_page: bool = False) -> str:
    out = StringIO()
    assert log.run(archive, Screen(out), debate_id, as_page=as_page) == 0
    return out.getvalue()


def test_the_list_has_a_line_for_each_debate_the_newest_first(archive: Archive) -> None:
    first, second = said(archive).splitlines()
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(ROUND.began))
    assert first == f"{SECOND.id}  {began}   2 rounds  consensus  Another?"
    assert second == f"{FIRST.id}  {began}   1 round   answered   Is it safe?"


def test_a_debate_that_cannot_be_read_is_left_out(archive: Archive) -> None:
    (archive.folder / f"{FIRST.id}.json").write_text("{")
    assert len(said(archive).splitlines()) == 1


def test_a_debate_without_rounds_is_called_empty(archive: Archive) -> None:
    file = archive.folder / f"{FIRST.id}.json"
    file.write_text(
        f'{{"format": 1, "id": "{FIRST.id}", "workspace": "", "agent": "", "confinement": "", "rounds": []}}'
    )
    assert "0 rounds  empty" in said(archive).splitlines()[1]


def test_an_empty_list_says_so(tmp_path: Path) -> None:
    assert said(Archive({"XDG_STATE_HOME": str(tmp_path)})) == "No debate is kept yet.\n"


def test_the_beginning_of_an_id_shows_its_debate_as_markdown(archive: Archive) -> None:
    assert said(archive, "20260102").startswith("# Another?\n")


def test_a_beginning_of_several_ids_names_them(archive: Archive) -> None:
    with pytest.raises(CallError, match="the beginning of 2 debates") as caught:
        said(archive, "2026")
    assert FIRST.id in caught.value.remedy


def test_an_id_of_no_debate_says_where_they_are_listed(archive: Archive) -> None:
    with pytest.raises(CallError, match="no debate '1999'") as caught:
        said(archive, "1999")
    assert "codex-fusion log" in caught.value.remedy


def test_an_id_is_its_debates_also_where_another_one_begins_so(archive: Archive) -> None:
    keep(archive, replace(SECOND, id=f"{FIRST.id}0"), replace(ROUND, asked="The longer one"))
    assert said(archive, FIRST.id).startswith("# Is it safe?\n")


def test_the_page_is_written_into_the_current_folder_and_named(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"codex-fusion-{SECOND.id}.html"
    assert said(archive, SECOND.id, as_page=True) == f"{file}\n"
    assert file.read_text().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_an_error_for_the_reader(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(CallError, match="can't be written"):
        log.write_page(archive, FIRST.id, tmp_path / "missing")
