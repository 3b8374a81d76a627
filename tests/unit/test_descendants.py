"""Who descends from a child and is not in its group."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.descendants import Entry, kill, outside_group, parse_stat, read_table

if TYPE_CHECKING:
    from pathlib import Path

LEADER = 100
PROC = "S 7 100 90 34816 4187 4194304 1 2 3 4 5 6 7 8 20 0 1 0 555 8192 1 184467"


def entry(
    pid: int, parent: int, group: int | None = None, session: int | None = None, started: int = 0
) -> Entry:
    group = pid if group is None else group
    return Entry(pid, parent, group, group if session is None else session, started)


def pids(entries: frozenset[Entry]) -> set[int]:
    return {e.pid for e in entries}


@pytest.mark.parametrize("name", ["sh", "a b", "x) S 1 2 3 (y", ")", "(", ""])
def test_a_process_is_read_whatever_its_name(name: str) -> None:
    assert parse_stat(f"42 ({name}) {PROC}\n") == Entry(42, 7, 100, 90, 555)


@pytest.mark.parametrize(
    "text", ["", "42", "42 (sh)", "42 (sh) S 7 100", f"x (sh) {PROC}", "42 (sh) S a b c"]
)
def test_what_is_no_process_is_none(text: str) -> None:
    assert parse_stat(text) is None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(parse_stat(text), Entry | None)


def test_descendants_in_sessions_of_their_own_are_found_through_every_generation() -> None:
    table = [
        entry(1, 0),
        entry(LEADER, 1),
        entry(101, LEADER, LEADER),
        entry(102, 101),
        entry(103, 102, 102),
        entry(104, 103),
        entry(200, 1),
        entry(201, 200),
    ]
    assert pids(outside_group(table, LEADER)) == {102, 103, 104}


def test_a_group_of_its_own_in_the_leader_s_session_is_found_without_its_parent() -> None:
    assert pids(outside_group([entry(LEADER, 1), entry(102, 1, 102, session=LEADER)], LEADER)) == {102}


def test_descendants_of_the_group_are_found_when_the_leader_is_gone() -> None:
    assert pids(outside_group([entry(101, 1, LEADER), entry(102, 101)], LEADER)) == {102}


def test_who_was_found_earlier_stays_found_with_its_later_children() -> None:
    earlier = frozenset({entry(102, 101)})
    table = [entry(LEADER, 1), entry(102, 1), entry(105, 102)]
    assert pids(outside_group(table, LEADER, earlier)) == {102, 105}


def test_a_new_process_with_an_old_number_is_not_the_old_one() -> None:
    earlier = frozenset({entry(102, 101, started=1)})
    found = outside_group([entry(LEADER, 1), entry(102, 1, started=2), entry(105, 102)], LEADER, earlier)
    assert found == earlier


def test_processes_that_are_their_own_ancestors_do_not_stop_the_search() -> None:
    assert pids(outside_group([entry(LEADER, 102), entry(102, LEADER)], LEADER)) == {102}


def test_without_proc_nothing_is_found(tmp_path: Path) -> None:
    assert read_table(tmp_path / "missing") == []


def test_a_process_that_ends_while_the_table_is_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "self").mkdir()
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "stat").write_text(f"8 (sh) {PROC}")
    assert read_table(tmp_path) == [Entry(8, 7, 100, 90, 555)]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_only_the_same_process_is_killed() -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as child:
        (me,) = (e for e in read_table() if e.pid == child.pid)
        assert me.parent == os.getpid()
        kill([Entry(me.pid, me.parent, me.group, me.session, me.started - 1)])
        assert child.poll() is None
        kill([me])
        assert child.wait(timeout=20) == -9
        kill([me])
