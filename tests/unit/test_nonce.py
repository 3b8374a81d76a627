"""The reset nonce: one private file per project, found the same way by all, never half written."""

from __future__ import annotations

import os
import pwd
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import nonce

NO_SUCH_USER = 2**31 - 7
NOT_US = os.getuid() + 1


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """An environment whose state folder is the test's own."""
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A nonce's path, in a folder that is not there yet."""
    return str(tmp_path / "deep" / "down" / "nonce")


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


class TestTheStateFolder:
    def test_is_where_the_environment_says(self) -> None:
        assert nonce.state_folder({"XDG_STATE_HOME": "/s", "HOME": "/home/ada"}) == "/s/codex-fusion"

    @pytest.mark.parametrize("useless", ["", "relative/state"])
    def test_is_at_home_without_a_word_from_the_environment(self, useless: str) -> None:
        environ = {"XDG_STATE_HOME": useless, "HOME": "/home/ada"}
        assert nonce.state_folder(environ) == "/home/ada/.local/state/codex-fusion"

    def test_is_in_the_local_application_data_on_windows(self) -> None:
        folder = nonce.state_folder({"LOCALAPPDATA": "/Users/ada/Local", "HOME": "/h"}, windows=True)
        assert folder == "/Users/ada/Local/codex-fusion"
        assert nonce.state_folder({"HOME": "/h"}, windows=True) == "/h/.local/state/codex-fusion"

    @pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "not/absolute"}])
    def test_is_at_the_accounts_home_without_a_home_variable(self, home: dict[str, str]) -> None:
        expected = Path(pwd.getpwuid(0).pw_dir, ".local/state/codex-fusion")
        assert nonce.state_folder(home, uid=0) == str(expected)

    def test_is_in_the_temp_folder_for_a_user_without_a_home(self) -> None:
        folder = nonce.state_folder({"TMPDIR": "/var/tmp"}, uid=NO_SUCH_USER)  # noqa: S108 - a name, not a file
        assert folder == f"/var/tmp/codex-fusion-{NO_SUCH_USER}"  # noqa: S108
        assert nonce.state_folder({"TEMP": "x"}, uid=NO_SUCH_USER) == f"/tmp/codex-fusion-{NO_SUCH_USER}"  # noqa: S108

    def test_is_at_an_accounts_home_only_where_that_exists(self) -> None:
        for user in pwd.getpwall():
            home = pwd.getpwuid(user.pw_uid).pw_dir
            expected = home if os.path.isdir(home) else None  # noqa: PTH112 - quiet where we may not look
            assert nonce.home_folder({}, uid=user.pw_uid) == expected

    def test_of_this_user_is_absolute_whatever_the_environment_lacks(self) -> None:
        assert Path(nonce.state_folder({})).is_absolute()


class TestThePath:
    def test_is_in_the_state_folder_and_tells_nothing_of_the_project(self, tmp_path: Path) -> None:
        found = Path(nonce.path(str(tmp_path / "secret-project"), {"XDG_STATE_HOME": "/s"}))
        assert found.parent == Path("/s/codex-fusion")
        assert "secret" not in found.name

    def test_is_the_same_from_a_subfolder_of_the_repository(
        self, tmp_path: Path, state: dict[str, str]
    ) -> None:
        (tmp_path / "project" / ".git").mkdir(parents=True)
        (tmp_path / "project" / "src" / "deep").mkdir(parents=True)
        assert nonce.path(str(tmp_path / "project/src/deep"), state) == nonce.path(
            str(tmp_path / "project"), state
        )

    def test_is_the_same_through_a_symlink_and_with_dots(self, tmp_path: Path, state: dict[str, str]) -> None:
        (tmp_path / "project" / "src").mkdir(parents=True)
        (tmp_path / "link").symlink_to("project", target_is_directory=True)
        expected = nonce.path(str(tmp_path / "project"), state)
        assert nonce.path(str(tmp_path / "link"), state) == expected
        assert nonce.path(f"{tmp_path}/project/src/../", state) == expected

    def test_is_the_same_from_a_symlink_into_a_subfolder(self, tmp_path: Path, state: dict[str, str]) -> None:
        (tmp_path / "project" / ".git").mkdir(parents=True)
        (tmp_path / "project" / "src").mkdir()
        (tmp_path / "link").symlink_to("project/src", target_is_directory=True)
        assert nonce.path(str(tmp_path / "link"), state) == nonce.path(str(tmp_path / "project"), state)

    def test_of_a_worktree_is_its_own(self, tmp_path: Path, state: dict[str, str]) -> None:
        (tmp_path / "project" / ".git").mkdir(parents=True)
        (tmp_path / "project" / "worktree" / "src").mkdir(parents=True)
        (tmp_path / "project" / "worktree" / ".git").write_text("gitdir: ../.git/worktrees/worktree\n")
        worktree = nonce.path(str(tmp_path / "project/worktree"), state)
        assert nonce.path(str(tmp_path / "project/worktree/src"), state) == worktree
        assert nonce.path(str(tmp_path / "project"), state) != worktree

    def test_of_a_folder_without_a_repository_is_its_own(self, tmp_path: Path, state: dict[str, str]) -> None:
        one, other = nonce.path(str(tmp_path / "one"), state), nonce.path(str(tmp_path / "other"), state)
        assert one != other

    @given(st.lists(st.text("abé/ .", min_size=1, max_size=12), min_size=2, max_size=2))
    def test_differs_between_projects(self, names: list[str]) -> None:
        one, other = (os.path.realpath(f"/no-such-folder/{name}") for name in names)
        environ = {"XDG_STATE_HOME": "/s"}
        assert (nonce.path(one, environ) == nonce.path(other, environ)) is (one == other)

    def test_is_the_hash_that_it_has_always_been(self) -> None:
        # A plugin's hook and a server of another version must meet.
        expected = "/s/codex-fusion/reset-d228cb69251a8caf78912b704e4a2e56"
        assert nonce.path("/", {"XDG_STATE_HOME": "/s"}) == expected


class TestTheProjectFolder:
    def test_is_what_claude_code_says(self) -> None:
        assert nonce.project_dir({"CLAUDE_PROJECT_DIR": "/project"}, "/elsewhere") == "/project"

    @pytest.mark.parametrize("useless", [{}, {"CLAUDE_PROJECT_DIR": ""}, {"CLAUDE_PROJECT_DIR": "relative"}])
    def test_is_the_fallback_otherwise(self, useless: dict[str, str]) -> None:
        assert nonce.project_dir(useless, "/elsewhere") == "/elsewhere"


class TestWriting:
    def test_makes_a_private_file_in_a_private_folder(self, file: str) -> None:
        nonce.write(file, "session-1")
        assert nonce.read(file) == "session-1"
        assert mode(file) == 0o600
        assert mode(Path(file).parent) == 0o700

    def test_replaces_what_was_there_and_leaves_nothing_else(self, file: str) -> None:
        nonce.write(file, "a much longer session id")
        nonce.write(file, "short")
        assert nonce.read(file) == "short"
        assert os.listdir(Path(file).parent) == ["nonce"]  # noqa: PTH208

    def test_closes_a_folder_of_ours_that_was_open_to_others(self, file: str) -> None:
        Path(file).parent.mkdir(parents=True)
        Path(file).parent.chmod(0o777)
        nonce.write(file, "x")
        assert mode(Path(file).parent) == 0o700

    def test_follows_a_symlink_of_our_own_to_the_state_folder(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real", target_is_directory=True)
        nonce.write(str(tmp_path / "link" / "nonce"), "x")
        assert nonce.read(str(tmp_path / "real" / "nonce")) == "x"

    def test_refuses_a_folder_of_another_user(self, tmp_path: Path) -> None:
        with pytest.raises(PermissionError, match="belongs to another user"):
            nonce.make_private(str(tmp_path), uid=NOT_US)

    def test_refuses_another_users_symlink_though_it_leads_to_a_folder_of_ours(self, tmp_path: Path) -> None:
        if os.getuid() == 0:
            link = tmp_path / "link"
            link.symlink_to(tmp_path, target_is_directory=True)
            os.lchown(link, NOT_US, -1)
        else:
            link = Path("/proc/self")  # the system's symlink, to a folder of this process's user
        with pytest.raises(PermissionError, match="belongs to another user"):
            nonce.make_private(str(link))

    def test_through_a_planted_symlink_does_not_touch_where_it_leads(self, file: str, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("precious")
        Path(file).parent.mkdir(parents=True)
        Path(file).symlink_to(victim)
        nonce.write(file, "x")
        assert victim.read_text() == "precious"
        assert nonce.read(file) == "x"

    def test_that_fails_leaves_no_draft(self, file: str) -> None:
        Path(file).mkdir(parents=True)
        with pytest.raises(OSError, match="nonce"):
            nonce.write(file, "x")
        assert os.listdir(Path(file).parent) == ["nonce"]  # noqa: PTH208

    def test_that_can_not_even_begin_says_why(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            nonce.write(str(tmp_path / "file" / "nonce"), "x")
        with pytest.raises(OSError, match="too long"):
            nonce.write(str(tmp_path / ("x" * 250)), "x")

    @pytest.mark.parametrize(
        "value", ["", "two\nlines", "nul\0", "\ud800", "x" * (nonce.MAX_BYTES + 1), "é" * 513]
    )
    def test_refuses_what_could_not_be_read_back(self, file: str, value: str) -> None:
        with pytest.raises(ValueError, match="printable"):
            nonce.write(file, value)
        assert not Path(file).exists()


@given(value=st.text(max_size=40))
def test_what_is_written_is_read_back_or_was_refused(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    file = str(tmp_path_factory.getbasetemp() / "round-trip" / "nonce")
    try:
        nonce.write(file, value)
    except ValueError:
        assert not value or not value.isprintable()
    else:
        assert nonce.read(file) == value


class TestReadingIsNoChange:
    def test_when_nothing_is_there(self, file: str) -> None:
        assert nonce.read(file) is None

    @pytest.mark.parametrize(
        "data",
        [b"", b"\xff\xfe", b"a\0b", b"a\n", b"x" * (nonce.MAX_BYTES + 1)],
        ids=lambda data: repr(data[:4]),
    )
    def test_when_it_is_nothing_that_was_written(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "nonce").write_bytes(data)
        assert nonce.read(str(tmp_path / "nonce")) is None

    def test_when_it_is_a_folder(self, tmp_path: Path) -> None:
        assert nonce.read(str(tmp_path)) is None

    def test_when_it_is_a_pipe_that_nobody_writes_to(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "nonce")
        assert nonce.read(str(tmp_path / "nonce")) is None

    def test_when_it_is_a_symlink(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text("x")
        (tmp_path / "nonce").symlink_to("elsewhere")
        assert nonce.read(str(tmp_path / "nonce")) is None

    def test_when_it_is_of_another_user(self, file: str) -> None:
        nonce.write(file, "x")
        assert nonce.read(file, uid=NOT_US) is None

    def test_when_its_name_means_nothing(self) -> None:
        assert nonce.read("a\0b") is None


def test_concurrent_writers_never_leave_a_torn_file(file: str) -> None:
    values = [letter * length for letter, length in zip("abcd", (1, 300, 700, nonce.MAX_BYTES), strict=True)]
    nonce.write(file, values[0])
    written = threading.Event()
    seen: set[str | None] = set()

    def write_often(value: str) -> None:
        for _ in range(150):
            nonce.write(file, value)

    def read_until_all_is_written() -> None:
        while not written.is_set():
            seen.add(nonce.read(file))

    with ThreadPoolExecutor(len(values) + 1) as pool:
        reader = pool.submit(read_until_all_is_written)
        try:
            list(pool.map(write_often, values))
        finally:
            written.set()
        reader.result(timeout=60)
    assert seen <= set(values)
    assert nonce.read(file) in values
    assert os.listdir(Path(file).parent) == ["nonce"]  # noqa: PTH208
