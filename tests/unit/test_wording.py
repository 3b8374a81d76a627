"""A request told in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from codex_fusion.events import ToolKind
from codex_fusion.wording import NAMES, duration, one_line, what
from tests.support.permission_requests import Case, cases, request


def words(
    kind: ToolKind, *paths: str, changes: tuple[str, ...] = (), command: str | None = None, title: str = ""
) -> str:
    asked = request(kind, *paths, changes=changes, command=command)
    return what(replace(asked, tool=replace(asked.tool, title=title)))


def test_a_request_is_told_in_one_line() -> None:
    asked = request(ToolKind.EXECUTE, command="touch x")
    assert what(asked) == "run `touch x`"
    assert what(replace(asked, tool=replace(asked.tool, cwd="/ws"))) == "run `touch x` in /ws"
    assert words(ToolKind.EDIT, "a.py", changes=("a.py", "b.py")) == "edit a.py, b.py"
    assert words(ToolKind.DELETE, "a.py") == "delete a.py"
    assert words(ToolKind.MOVE, "a.py", "b.py") == "move a.py, b.py"
    assert words(ToolKind.EXECUTE, changes=("a",), command="x") == "run `x` and edit a"
    assert words(ToolKind.READ, "a.py") == "read a.py"
    assert words(ToolKind.SEARCH, "src") == "search in src"
    assert words(ToolKind.FETCH, title="Fetching https://example.com/a now") == "fetch https://example.com/a"
    assert words(ToolKind.FETCH, title="Open a page") == "do what it calls “Open a page”"
    assert words(ToolKind.OTHER, "a.py") == "do something it does not name (kind: other)"


def test_a_long_list_of_files_is_counted() -> None:
    paths = tuple(f"f{n}" for n in range(NAMES + 2))
    assert words(ToolKind.EDIT, *paths) == "edit f0, f1, f2, f3, f4 and 2 more"


def test_a_line_shows_what_would_hide_in_it() -> None:
    assert one_line("ls\nrm -rf /\t\x1b[2J\u202egpj") == r"ls\nrm -rf /\t\x1b[2J\u202egpj"
    assert one_line("\ud800") == r"\ud800"


def test_a_long_line_is_cut() -> None:
    assert one_line("x" * 500, 10) == "xxxxxxxxx…"
    assert one_line("x" * 10, 10) == "x" * 10


@settings(max_examples=500, deadline=None)
@given(cases())
def test_what_is_asked_for_is_one_line_that_begins_with_a_verb(case: Case) -> None:
    line = what(case.request)
    assert line.isprintable()
    assert line.split()[0] in {"run", "edit", "delete", "move", "read", "search", "fetch", "do"}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (59.6, "1 min"),
        (187, "3 min 7 s"),
        (3_600, "1 h"),
        (3_905, "1 h 5 min"),
        (90_000, "1 day 1 h"),
        (172_800, "2 days"),
        (172_860, "2 days"),
    ],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said
