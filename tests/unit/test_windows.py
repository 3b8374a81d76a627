from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion import nonce
from codex_fusion.windows import DEPTH, Clears, ancestors, look_at

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = os.getppid()
OURS, OTHER, LAUNCHER = 500, 600, 501


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "reset-project")


def processes(table: Mapping[int, tuple[int, str]]) -> Mapping[int, tuple[int, str]]:
    """A server behind a launcher in one window of `client`; another window beside it."""
    return {HERE: (LAUNCHER, "uv"), LAUNCHER: (OURS, "sh"), OURS: (1, "client"), **table}


def clear(path: str, session: str, window: int) -> None:
    nonce.write(nonce.window_path(path, window), session)
    nonce.write(path, f"{session} {window}")


def test_a_clear_in_our_window_is_ours_behind_any_launcher(path: str) -> None:
    clears = Clears(path, processes({}).get)
    before = clears.read()
    clear(path, "s-2", OURS)
    assert clears.read() != before


def test_a_clear_in_another_window_of_the_client_changes_nothing(path: str) -> None:
    clears = Clears(path, processes({OTHER: (1, "client")}).get)
    before = clears.read()
    clear(path, "s-2", OTHER)
    assert clears.read() == before


def test_ours_is_not_lost_when_another_window_is_cleared_right_after_it(path: str) -> None:
    clears = Clears(path, processes({OTHER: (1, "client")}).get)
    before = clears.read()
    clear(path, "s-2", OURS)
    clear(path, "s-3", OTHER)
    assert clears.read() != before


def test_one_clear_of_ours_is_one_change(path: str) -> None:
    clears = Clears(path, processes({}).get)
    clear(path, "s-2", OURS)
    assert clears.read() == clears.read()


@pytest.mark.parametrize("table", [{}, {OTHER: (1, "another client")}])
def test_where_the_window_cannot_be_told_the_projects_nonce_serves(
    path: str, table: dict[int, tuple[int, str]]
) -> None:
    clears = Clears(path, processes(table).get)
    before = clears.read()
    clear(path, "s-2", OTHER)
    assert clears.read() != before


def test_a_hook_that_knows_no_window_clears_all_of_them(path: str) -> None:
    clears = Clears(path, processes({}).get)
    before = clears.read()
    nonce.write(path, "s-2")
    assert clears.read() != before


def test_an_unreadable_file_is_no_change(path: str) -> None:
    clears = Clears(path, processes({}).get)
    clear(path, "s-2", OURS)
    before = clears.read()
    Path(nonce.window_path(path, OURS)).unlink()
    Path(path).unlink()
    assert clears.read() == before


def test_the_nonces_of_windows_that_are_long_gone_are_removed(path: str) -> None:
    clear(path, "s-1", OTHER)
    clear(path, "s-2", OURS)
    os.utime(nonce.window_path(path, OTHER), (0, 0))
    os.utime(path, (0, 0))
    Clears(path, processes({}).get)
    assert sorted(file.name for file in Path(path).parent.iterdir()) == [
        "reset-project",
        f"reset-project-window-{OURS}",
    ]


def test_a_loop_of_parents_ends() -> None:
    assert set(ancestors(7, {7: (8, "a"), 8: (7, "b")}.get)) == {7, 8}


def test_a_long_chain_is_cut() -> None:
    assert len(ancestors(100, lambda pid: (pid + 1, "p"))) == DEPTH


def test_a_process_is_looked_at_with_its_parent_and_name() -> None:
    script = "import os, sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        seen = look_at(child.pid)
        child.communicate()
    assert seen is not None
    assert seen[0] == os.getpid()
    assert seen[1]


def test_a_process_that_is_not_there_is_none() -> None:
    assert look_at(2**22 + 1) is None
