"""Where paths lead: on a real disk, and on disks that a test can't mount."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_fusion.events import FileChange, PermissionRequest, ToolCall
from codex_fusion.paths import Target, Targets, Where, resolve
from tests.support.disks import (
    DiskThatFails,
    DiskThatListsNothing,
    DiskThatNumbersCarelessly,
    DiskWithoutCase,
    asked,
    look,
    where,
)


@pytest.fixture(name="ws")
def workspace(tmp_path: Path) -> Path:
    """A workspace `ws` with some files, beside a folder `out` that is not of it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_text("s")
    (tmp_path / "ws" / "src").mkdir(parents=True)
    (tmp_path / "ws" / "a.py").write_text("a")
    return tmp_path / "ws"


# Inside and outside


def test_a_file_of_the_workspace_is_inside(ws: Path) -> None:
    assert look(f"{ws}/a.py", ws) == Target(f"{ws}/a.py", f"{ws}/a.py", Where.INSIDE)


def test_a_relative_path_starts_at_the_workspace(ws: Path) -> None:
    assert look("src/new.py", ws) == Target("src/new.py", f"{ws}/src/new.py", Where.INSIDE)


def test_a_relative_path_starts_at_the_folder_that_the_request_names(ws: Path) -> None:
    assert look("x", ws, cwd=f"{ws}/src").resolved == f"{ws}/src/x"
    assert look("x", ws, cwd="src").resolved == f"{ws}/src/x"
    assert where("x", ws, cwd=str(ws.parent / "out")) is Where.OUTSIDE
    assert where("a.py", ws, cwd="~") is Where.UNKNOWN


def test_an_absolute_path_does_not_care_for_the_folder(ws: Path) -> None:
    assert where(f"{ws}/a.py", ws, cwd="\0") is Where.INSIDE


def test_a_file_elsewhere_is_outside(ws: Path) -> None:
    assert look("/etc/passwd", ws) == Target("/etc/passwd", "/etc/passwd", Where.OUTSIDE)
    assert where("/", ws) is Where.OUTSIDE
    assert where(str(ws.parent), ws) is Where.OUTSIDE


def test_a_folder_whose_name_only_begins_like_the_workspace_is_outside(ws: Path) -> None:
    assert where(f"{ws}-other/x", ws) is Where.OUTSIDE


def test_two_dots_leave_the_workspace(ws: Path) -> None:
    assert look("../out/secret", ws) == Target("../out/secret", f"{ws.parent}/out/secret", Where.OUTSIDE)
    assert where("src/../../out/secret", ws) is Where.OUTSIDE
    assert where(f"{'../' * 50}etc/passwd", ws) is Where.OUTSIDE


def test_two_dots_that_come_back_are_inside(ws: Path) -> None:
    assert look(f"../{ws.name}/src/./..//a.py", ws).resolved == f"{ws}/a.py"
    assert where(f"../{ws.name}/a.py", ws) is Where.INSIDE


def test_what_does_not_exist_yet_is_where_it_will_be(ws: Path) -> None:
    assert look("new/deep/x.py", ws) == Target("new/deep/x.py", f"{ws}/new/deep/x.py", Where.INSIDE)
    assert where(f"{ws.parent}/out/new/x.py", ws) is Where.OUTSIDE


# Symlinks


def test_a_symlink_that_leads_outside_is_outside(ws: Path) -> None:
    (ws / "link").symlink_to(ws.parent / "out")
    assert look("link/secret", ws) == Target("link/secret", f"{ws.parent}/out/secret", Where.OUTSIDE)
    assert where("link/new", ws) is Where.OUTSIDE
    assert where("link", ws) is Where.OUTSIDE


def test_a_symlink_that_leads_to_nothing_outside_is_outside(ws: Path) -> None:
    """A write through it would create what it points at."""
    (ws / "link").symlink_to(ws.parent / "out" / "new")
    assert look("link", ws).resolved == f"{ws.parent}/out/new"
    assert where("link", ws) is Where.OUTSIDE


def test_a_relative_symlink_starts_where_it_stands(ws: Path) -> None:
    (ws / "src" / "link").symlink_to("../../out/secret")
    assert where("src/link", ws) is Where.OUTSIDE
    (ws / "src" / "up").symlink_to("../a.py")
    assert look("src/up", ws).resolved == f"{ws}/a.py"


def test_two_dots_after_a_symlink_leave_what_it_points_at(ws: Path) -> None:
    (ws.parent / "out" / "deep").mkdir()
    (ws / "link").symlink_to(ws.parent / "out" / "deep")
    assert look("link/../secret", ws).resolved == f"{ws.parent}/out/secret"


def test_a_symlink_from_outside_into_the_workspace_is_inside(ws: Path) -> None:
    (ws.parent / "out" / "back").symlink_to(ws)
    assert look(f"{ws.parent}/out/back/a.py", ws).resolved == f"{ws}/a.py"
    assert where(f"{ws.parent}/out/back/a.py", ws) is Where.INSIDE


def test_a_workspace_that_is_given_through_a_symlink_is_the_same_workspace(ws: Path) -> None:
    link = ws.parent / "link"
    link.symlink_to(ws)
    assert where("a.py", link) is Where.INSIDE
    assert where(f"{ws}/a.py", link) is Where.INSIDE
    assert where(f"{link}/a.py", link) is Where.INSIDE
    assert where(f"{link}/../out/secret", link) is Where.OUTSIDE


def test_a_loop_of_symlinks_leads_nowhere(ws: Path) -> None:
    (ws / "one").symlink_to("two")
    (ws / "two").symlink_to("one")
    assert look("one/x", ws) == Target("one/x", None, Where.UNKNOWN, "too many symlinks, or a loop of them")


def test_a_link_in_proc_means_another_thing_to_the_agent_than_to_us(ws: Path) -> None:
    if not Path("/proc/self/cwd").is_symlink():
        assert where("/proc/self/cwd/a.py", ws) is Where.OUTSIDE  # no /proc here: an ordinary path
        return
    assert where("/proc/self/cwd/a.py", ws) is Where.UNKNOWN
    (ws / "link").symlink_to("/proc/self/cwd")
    assert where("link/a.py", ws) is Where.UNKNOWN
    assert where(f"/proc/{os.getppid()}/environ", ws) is Where.OUTSIDE


# The root as the workspace


def test_nothing_is_outside_of_the_root(ws: Path) -> None:
    root = Path("/")
    assert look(f"{ws}/a.py", root) == Target(f"{ws}/a.py", f"{ws}/a.py", Where.INSIDE)
    assert where(f"{str(ws)[1:]}/../../nowhere", root) is Where.INSIDE
    assert where("/", root) is Where.PROTECTED
    assert where("/root/.bashrc", root) is Where.PROTECTED


# What can't be told


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "an empty path"),
        ("a\0b", "no path has such characters"),
        ("new/a\0b", "no path has such characters"),
        ("new/\ud800", "no path has such characters"),
        ("x" * 256, "a name in it is too long"),
        ("new/" + "x" * 256, "a name in it is too long"),
        ("é" * 128, "a name in it is too long"),
        ("x/" * 3000, "too long"),
        ("~/x", "`~` is not expanded here, but may be by whoever acts on it"),
        ("~root", "`~` is not expanded here, but may be by whoever acts on it"),
        ("file:///etc/passwd", "an address, not a path"),
        ("C:/Windows", "an address, not a path"),
        ("new/../a.py", "`..` after a folder that does not exist"),
        ("a.py/x", "it takes a file for a folder"),
        ("a.py/..", "it takes a file for a folder"),
    ],
)
def test_an_odd_path_is_unknown(ws: Path, path: str, why: str) -> None:
    assert look(path, ws) == Target(path, None, Where.UNKNOWN, why)


def test_what_looks_like_an_odd_path_can_be_an_ordinary_name(ws: Path) -> None:
    for path in ("./~", "a~", "a:b", " ", "$HOME", "*", "a\\..\\b"):
        assert look(path, ws).where is Where.INSIDE


def test_a_folder_that_may_not_be_read_makes_what_is_in_it_unknown(ws: Path) -> None:
    disk = DiskThatFails(ws / "src" / "x", PermissionError(13, "Permission denied"))
    assert look("src/x/y", ws, disk=disk) == Target("src/x/y", None, Where.UNKNOWN, "Permission denied")
    assert where("src/x/../../a.py", ws, disk=disk) is Where.UNKNOWN
    assert where("src/y", ws, disk=disk) is Where.INSIDE


def test_a_path_that_the_system_can_not_write_down_is_unknown(ws: Path) -> None:
    disk = DiskThatFails(ws / "é", UnicodeEncodeError("ascii", "é", 0, 1, "not in ASCII"))
    assert where("é", ws, disk=disk) is Where.UNKNOWN


def test_an_error_without_words_is_told_in_words(ws: Path) -> None:
    assert look("x", ws, disk=DiskThatFails(ws / "x", OSError())).why == "it can't be read"


@pytest.mark.parametrize("path", ["relative", "nowhere", "a.py", "link"])
def test_without_a_workspace_everything_is_unknown(ws: Path, path: str) -> None:
    (ws / "link").symlink_to("link")
    workspace = Path(path) if path == "relative" else ws / path
    targets = resolve(asked("/etc/passwd", "x", cwd="/"), workspace)
    assert {target.where for target in targets.every} == {Where.UNKNOWN}
    assert [target.path for target in targets.every] == ["/etc/passwd", "x", "/"]
    assert resolve(asked("x"), workspace).cwd is None


def test_in_a_workspace_that_can_not_be_listed_everything_is_unknown(ws: Path) -> None:
    disk = DiskThatListsNothing(PermissionError(13, "Permission denied"))
    assert look("a.py", ws, disk=disk).why == "the workspace: Permission denied"
    assert look("a.py", ws, disk=DiskThatListsNothing(OSError())).where is Where.UNKNOWN


def test_more_paths_than_anybody_reads_are_not_looked_up(ws: Path) -> None:
    targets = resolve(asked(*(f"f{n}" for n in range(1200))), ws).files
    assert len(targets) == 1200
    assert {target.where for target in targets[:1000]} == {Where.INSIDE}
    assert {target.why for target in targets[1000:]} == {"too many paths to look up"}


# Case


def test_where_case_does_not_matter_another_case_is_the_same_folder(ws: Path) -> None:
    disk = DiskWithoutCase()
    other = f"{ws.parent}/WS/A.PY"
    assert where(other, ws) is Where.OUTSIDE
    assert where(other, ws, disk=disk) is Where.INSIDE
    assert where("x", Path(f"{ws.parent}/Ws"), disk=disk) is Where.INSIDE


def test_where_case_matters_another_case_is_another_folder(ws: Path) -> None:
    (ws.parent / "WS").mkdir()
    assert where(f"{ws.parent}/WS/a.py", ws) is Where.OUTSIDE


def test_a_folder_with_the_number_of_the_workspace_is_not_the_workspace(ws: Path) -> None:
    disk = DiskThatNumbersCarelessly(ws, ws.parent / "out")
    assert where(f"{ws.parent}/out/secret", ws, disk=disk) is Where.OUTSIDE


# The whole request


def test_every_path_of_a_request_is_a_target_once(ws: Path) -> None:
    tool = ToolCall(
        "1",
        paths=("a.py", "../x"),
        changes=(FileChange("b.py", None, ""), FileChange("a.py", "", "")),
        cwd=str(ws),
    )
    targets = resolve(PermissionRequest("s", tool, ()), ws)
    assert [target.path for target in targets.files] == ["b.py", "a.py", "../x"]
    assert targets.cwd == Target(str(ws), str(ws), Where.INSIDE)
    assert targets.every == (*targets.files, targets.cwd)
    assert resolve(PermissionRequest("s", ToolCall("1"), ()), ws) == Targets()


def test_the_folder_of_a_request_is_inside_outside_or_unknown(ws: Path) -> None:
    def folder(cwd: str) -> Where | None:
        target = resolve(asked(cwd=cwd), ws).cwd
        return None if target is None else target.where

    assert folder("src") is Where.INSIDE
    assert folder(".git") is Where.INSIDE
    assert folder("/") is Where.OUTSIDE
    assert folder("\0") is Where.UNKNOWN


# Properties

NAMES = [
    "ws",
    "out",
    "src",
    "a.py",
    "secret",
    "in",
    "up",
    "gone",
    "out-link",
    "loop",
    ".",
    "..",
    "",
    "new",
    ".git",
]


@pytest.fixture(name="tree", scope="module")
def tree_of_symlinks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for folder in (root, root / "ws", root / "out", root / "ws" / "src", root / "ws" / ".git"):
        folder.mkdir(exist_ok=True)
        (folder / "a.py").write_text("a")
        (folder / "secret").write_text("s")
        (folder / "in").symlink_to(root / "ws")
        (folder / "up").symlink_to("..")
        (folder / "out-link").symlink_to(root / "out")
        (folder / "gone").symlink_to("new/../../out/x")
        (folder / "loop").symlink_to("loop")
    return root


@settings(max_examples=1500, deadline=None)
@given(
    path=st.lists(st.sampled_from(NAMES), min_size=1, max_size=10).map("/".join),
    start=st.sampled_from(["", "ws/", "out/"]),
    cwd=st.sampled_from([None, "src", "up", "in", "new", "loop"]),
)
def test_a_path_leads_where_the_system_says(tree: Path, path: str, start: str, cwd: str | None) -> None:
    """`os.path.realpath(strict=True)` is right about what exists, but for files taken for folders."""
    absolute = f"{tree}/{start}{path}"
    for name, base in ((absolute, tree), (path or ".", tree / "ws" / (cwd or "."))):
        target = look(name, tree / "ws", cwd)
        try:
            real = os.path.realpath(base / name, strict=True)
        except OSError:
            continue
        if target.where is Where.UNKNOWN:
            assert target.why == "it takes a file for a folder"
        else:
            assert target.resolved == real
            assert (target.where is Where.OUTSIDE) is not Path(real).is_relative_to(tree / "ws")


@settings(max_examples=1000, deadline=None)
@given(path=st.text(), cwd=st.none() | st.text())
def test_no_path_is_too_odd(tree: Path, path: str, cwd: str | None) -> None:
    targets = resolve(asked(path, cwd=cwd), tree / "ws")
    assert len(targets.files) == 1
    assert all((target.resolved is None) is (target.where is Where.UNKNOWN) for target in targets.every)


def test_the_same_request_gives_the_same_targets(ws: Path) -> None:
    one = asked("a.py", "../x", "\0")
    assert resolve(one, ws) == resolve(replace(one), ws)
