"""How a change of a file is shown to whoever decides on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import render
from codex_fusion.events import FileChange, PermissionRequest, ToolCall
from codex_fusion.outcome import OpenRequest, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator


def diff_of(old: str | None, new: str) -> str:
    """The diff in the report of a pause."""
    request = PermissionRequest("s1", ToolCall("t1", changes=(FileChange("a.py", old, new),)), ())
    asked = OpenRequest("r1", request, what="edit a.py", why="not allowed")
    (text,) = render.texts(Outcome(Status.PERMISSION, "consult", 1, requests=(asked,)))
    block = re.search(r"^(`{3,})diff\n(.*)\n\1$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[2]


def lines_of(text: str) -> list[str]:
    """With their ends; of no text, none."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def applied(diff: str, old: str) -> str:
    """What a reader who carries out the diff comes to; he checks every line that he is told of."""
    given = lines_of(old)
    made: list[str] = []
    at = 0
    for kind, line in changes_in(diff):
        if kind == "@":
            start = int(line)
            made += given[at:start]
            at = start
        elif kind == "+":
            made.append(line)
        else:
            assert given[at] == line
            made += [line] if kind == " " else []
            at += 1
    return "".join((*made, *given[at:]))


def changes_in(diff: str) -> Iterator[tuple[str, str]]:
    """Each line and its kind; for a hunk's head, how many lines of the old text come before it."""
    lines = diff.split("\n")
    for line, following in zip(lines[2:], [*lines[3:], ""], strict=True):
        head = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", line)
        if head:
            yield "@", str(int(head[1]) - (head[2] != "0"))
        elif not line.startswith("\\"):
            yield line[0], line[1:] + ("" if following == "\\ No newline at end of file" else "\n")


texts = st.lists(st.sampled_from(("a", "b", "b\r", "", "-a", "@@ -1 +1 @@")), max_size=25).map("\n".join)


@given(old=texts, new=texts)
def test_a_diff_tells_exactly_what_changes(old: str, new: str) -> None:
    if old == new:
        assert diff_of(old, new) == "(nothing changes)"
    else:
        assert applied(diff_of(old, new), old) == new


def test_a_diff_shows_where_the_change_is_and_what_is_around_it() -> None:
    old = "".join(f"{number}\n" for number in range(1, 10_001))
    assert diff_of(old, old.replace("\n5000\n", "\nx\n")) == (
        "--- a.py\n+++ a.py\n@@ -4997,7 +4997,7 @@\n 4997\n 4998\n 4999\n-5000\n+x\n 5001\n 5002\n 5003"
    )


def test_a_change_of_line_ends_alone_is_a_change() -> None:
    assert diff_of("a\r\n", "a\n") == "--- a.py\n+++ a.py\n@@ -1 +1 @@\n-a\r\n+a"
    assert diff_of("a\n", "a") == "--- a.py\n+++ a.py\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file"


def test_a_new_empty_file_is_told() -> None:
    assert diff_of(None, "") == "(a new, empty file)"


def test_a_great_change_is_shown_without_looking_for_the_shortest_diff() -> None:
    # Of these two, difflib takes minutes.
    letters = [chr(0x100 + number) for number in range(105)]
    old = "top\n" * 5 + "".join(f"{letters[number % 105]}\n" for number in range(50_000)) + "end\n" * 5
    new = "top\n" * 5 + "".join(f"{letters[-number % 105]}\n" for number in range(1, 50_000)) + "end\n" * 5
    diff = diff_of(old, new)
    assert applied(diff, old) == new
    assert diff.startswith("--- a.py\n+++ a.py\n@@ -3,50006 +3,50005 @@\n top\n top\n top\n-Ā\n-ā\n")
    assert diff.endswith("\n end\n end\n end")
