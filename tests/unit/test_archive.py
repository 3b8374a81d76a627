from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from codex_fusion import archive as archives
from codex_fusion import debates
from codex_fusion.archive import Archive
from codex_fusion.debates import FORMAT
from tests.support.kept import keep
from tests.unit.test_debates import DEBATE, ROUND

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = replace(DEBATE, rounds=())


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive({"XDG_STATE_HOME": str(tmp_path)})


def put(archive: Archive, name: str, text: str = "") -> Path:
    archive.make_folder()
    file = archive.folder / f"{name}.json"
    file.write_text(text)
    return file


def test_a_debate_is_kept_with_each_round_and_read_back(archive: Archive) -> None:
    first = keep(archive, EMPTY, ROUND)
    second = keep(archive, first, replace(ROUND, turn=2))
    assert archive.read(DEBATE.id) == second
    assert len(second.rounds) == 2
    assert archive.ids() == [DEBATE.id]


def test_nothing_is_kept_before_the_first_debate(archive: Archive) -> None:
    assert archive.ids() == []
    assert archive.read(DEBATE.id) is None


def test_nobody_else_can_read_it_and_nothing_else_is_left(archive: Archive) -> None:
    keep(archive, EMPTY, ROUND)
    (file,) = archive.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(archive.folder.stat().st_mode) == 0o700


def test_secrets_are_not_kept(archive: Archive) -> None:
    secret = "sk-" + "a1B2" * 12
    keep(archive, EMPTY, replace(ROUND, asked=f"my key is {secret}"))
    assert secret not in (archive.folder / f"{DEBATE.id}.json").read_text()


def test_what_is_in_memory_reads_as_it_would_from_its_file(archive: Archive) -> None:
    debate = replace(DEBATE, rounds=(replace(ROUND, asked="sk-" + "a1B2" * 12, answer="\ud800?"),))
    (kept,) = archives.as_kept(debate).rounds
    assert (kept.asked, kept.answer) == ("[redacted]", "??")
    keep(archive, EMPTY, debate.rounds[0])
    assert archive.read(DEBATE.id) == archives.as_kept(debate)


def test_a_file_has_a_stamp_that_changes_with_it(archive: Archive) -> None:
    assert archive.stamp(DEBATE.id) is None
    whole = keep(archive, EMPTY, ROUND)
    before = archive.stamp(DEBATE.id)
    assert before == archive.stamp(DEBATE.id)
    keep(archive, whole, ROUND)
    assert before != archive.stamp(DEBATE.id)


def test_the_longest_debate_can_be_read_again(archive: Archive) -> None:
    long = replace(ROUND, asked="\x00" * debates.TEXT_KEPT, answer="\x00" * debates.TEXT_KEPT)
    whole = keep(archive, keep(archive, EMPTY, long), long)
    assert archive.read(DEBATE.id) == whole


def test_half_a_character_does_not_keep_a_debate_from_being_kept(archive: Archive) -> None:
    keep(archive, EMPTY, replace(ROUND, asked="\ud800?"))
    assert archive.read(DEBATE.id) is not None


def test_ids_are_in_the_order_of_time_and_differ() -> None:
    ids = [archives.new_id() for _ in range(5)]
    assert len(set(ids)) == 5
    assert [name[:15] for name in ids] == sorted(name[:15] for name in ids)


def test_the_newest_is_listed_first(archive: Archive) -> None:
    for name in ("20260101-000000-aaaaaa", "20260301-000000-aaaaaa", "20260201-000000-aaaaaa"):
        keep(archive, replace(EMPTY, id=name), ROUND)
    assert [name[4:6] for name in archive.ids()] == ["03", "02", "01"]


def test_the_oldest_go_when_there_are_too_many(archive: Archive) -> None:
    for number in range(archives.KEPT):
        put(archive, f"20260101-{number:06}-aaaaaa")
    keep(archive, replace(EMPTY, id="20260102-000000-aaaaaa"), ROUND)
    assert len(archive.ids()) == archives.KEPT
    assert "20260101-000000-aaaaaa" not in archive.ids()


def test_the_oldest_go_when_all_together_are_too_large_but_never_the_latest(archive: Archive) -> None:
    for day, size in (("01", 1), ("02", archives.KEPT_BYTES)):
        os.truncate(put(archive, f"202601{day}-000000-aaaaaa"), size)
    keep(archive, replace(EMPTY, id="20260103-000000-aaaaaa"), ROUND)
    assert archive.ids() == ["20260103-000000-aaaaaa"]
    os.truncate(put(archive, "20260104-000000-aaaaaa"), archives.KEPT_BYTES + 1)
    keep(archive, replace(EMPTY, id="20260102-000000-aaaaaa"), ROUND)
    assert archive.ids() == ["20260104-000000-aaaaaa"]


def test_what_is_too_old_goes_however_few_there_are(archive: Archive) -> None:
    old = put(archive, "20200101-000000-aaaaaa")
    long_ago = time.time() - archives.KEPT_S - 60
    os.utime(old, (long_ago, long_ago))
    keep(archive, EMPTY, ROUND)
    assert archive.ids() == [DEBATE.id]


def test_a_name_never_leads_out_of_the_folder(archive: Archive) -> None:
    keep(archive, EMPTY, ROUND)
    (archive.folder.parent / "1.json").write_text(json.dumps({"format": FORMAT}))
    assert archive.read("../1") is None
    assert archive.read(f"../debates/{DEBATE.id}") is None


@pytest.mark.parametrize("text", ["", "[1", "{}", '{"format": 99}', "\x00"])
def test_a_file_that_is_no_debate_is_not_read(archive: Archive, text: str) -> None:
    put(archive, "2-broken", text)
    assert archive.read("2-broken") is None


def test_a_file_that_is_too_large_is_not_read(archive: Archive) -> None:
    os.truncate(put(archive, "2-large"), archives.FILE_LIMIT + 1)
    assert archive.read("2-large") is None


def test_a_folder_that_cannot_be_made_raises_and_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    archive = Archive({"XDG_STATE_HOME": str(tmp_path / "file")})
    with pytest.raises(OSError, match="file"):
        keep(archive, EMPTY, ROUND)
    assert archive.ids() == []


def test_a_debate_that_cannot_be_put_in_its_place_leaves_no_draft(archive: Archive) -> None:
    archive.make_folder()
    (archive.folder / f"{DEBATE.id}.json").mkdir()
    with pytest.raises(IsADirectoryError):
        keep(archive, EMPTY, ROUND)
    assert [file.name for file in archive.folder.iterdir()] == [f"{DEBATE.id}.json"]
