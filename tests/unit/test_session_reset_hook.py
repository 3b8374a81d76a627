"""Claude Code's hook, run as Claude Code runs it: a process with an event on its stdin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import nonce
from hooks import session_reset

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "hooks" / "session_reset.py"
BOUND_S = 60

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Place:
    """A project, and the environment that its hook and its server share."""

    project: Path
    environ: dict[str, str]
    hook: Path = HOOK

    def run(
        self,
        event: object,
        *flags: str,
        cwd: Path | None = None,
        **environ: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Give the hook an event (bytes: as they are), as Claude Code does."""
        return subprocess.run(
            [sys.executable, *flags, str(self.hook)],
            input=event if isinstance(event, bytes) else json.dumps(event).encode(),
            capture_output=True,
            cwd=cwd or self.project,
            env=self.environ | environ,
            timeout=BOUND_S,
            check=False,
        )

    def server_sees(self, workspace: Path | None = None, **environ: str) -> str | None:
        """Return what the server reads at its next call."""
        folder = nonce.project_dir(environ, str(workspace or self.project))
        return nonce.read(nonce.path(folder, self.environ))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    return Place(project, {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")})


def event(place: Place, source: str = "clear", **fields: object) -> dict[str, object]:
    """Make the event that Claude Code sends."""
    return {
        "session_id": "0d5a5f2c-8f3e-4b7e-9a62-1f6f6a8a3f11",
        "transcript_path": "/transcripts/x.jsonl",
        "cwd": str(place.project),
        "hook_event_name": "SessionStart",
        "source": source,
        "model": "claude",
    } | fields


def assert_silent(done: subprocess.CompletedProcess[bytes]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def assert_complains_in_one_line(done: subprocess.CompletedProcess[bytes]) -> None:
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"codex-fusion: the SessionStart hook changed nothing: ")
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.endswith(b"\n")


def test_a_clear_writes_the_new_session_id(place: Place) -> None:
    assert place.server_sees() is None
    assert_silent(place.run(event(place)))
    assert place.server_sees() == "0d5a5f2c-8f3e-4b7e-9a62-1f6f6a8a3f11"


def test_the_next_clear_replaces_it(place: Place) -> None:
    assert_silent(place.run(event(place, session_id="first")))
    assert_silent(place.run(event(place, session_id="second")))
    assert place.server_sees() == "second"


def test_a_clear_names_its_window_and_writes_that_windows_nonce(place: Place) -> None:
    assert_silent(place.run(event(place, session_id="first"), CLAUDE_PID="4711"))
    assert place.server_sees() == "first 4711"
    path = nonce.path(str(place.project), place.environ)
    assert nonce.read(nonce.window_path(path, 4711)) == "first"


@pytest.mark.parametrize("odd", ["", "abc", "../x", "-1", "²"])
def test_a_window_that_is_no_process_id_is_no_window(place: Place, odd: str) -> None:
    assert_silent(place.run(event(place, session_id="first"), CLAUDE_PID=odd))
    assert place.server_sees() == "first"


@pytest.mark.parametrize("source", ["startup", "resume", "fork", "compact", "Clear", "clear ", "unheard-of"])
def test_any_other_source_changes_nothing(place: Place, source: str) -> None:
    assert_silent(place.run(event(place, session_id="before")))
    assert_silent(place.run(event(place, source, session_id="after")))
    assert place.server_sees() == "before"


def test_any_other_source_makes_no_folder(place: Place, tmp_path: Path) -> None:
    assert_silent(place.run(event(place, "startup")))
    assert not (tmp_path / "state").exists()


class TestHookAndServerAgree:
    def test_where_claude_code_names_the_project(self, place: Place, tmp_path: Path) -> None:
        assert_silent(
            place.run(event(place, cwd="/"), cwd=tmp_path, CLAUDE_PROJECT_DIR=str(place.project)),
        )
        assert place.server_sees(tmp_path, CLAUDE_PROJECT_DIR=str(place.project)) is not None
        assert place.server_sees(tmp_path) is None

    def test_where_only_one_of_them_is_told_the_project(self, place: Place) -> None:
        assert_silent(place.run(event(place, cwd="/"), CLAUDE_PROJECT_DIR=str(place.project)))
        assert place.server_sees() is not None

    def test_where_the_hook_runs_in_a_subfolder(self, place: Place) -> None:
        (place.project / "src" / "deep").mkdir(parents=True)
        assert_silent(place.run(event(place, cwd=str(place.project / "src" / "deep"))))
        assert place.server_sees() is not None

    def test_where_the_hook_came_through_a_symlink(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(place.project, target_is_directory=True)
        assert_silent(place.run(event(place, cwd=str(tmp_path / "link"))))
        assert place.server_sees() is not None

    def test_where_the_server_came_through_a_symlink(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(place.project, target_is_directory=True)
        assert_silent(place.run(event(place)))
        assert place.server_sees(tmp_path / "link") is not None

    def test_in_a_worktree_and_the_main_checkout_is_left_alone(self, place: Place, tmp_path: Path) -> None:
        worktree = tmp_path / "worktree"
        (worktree / "src").mkdir(parents=True)
        (worktree / ".git").write_text(f"gitdir: {place.project}/.git/worktrees/worktree\n")
        assert_silent(place.run(event(place, cwd=str(worktree / "src"))))
        assert place.server_sees(worktree) is not None
        assert place.server_sees() is None

    def test_where_there_is_only_a_home(self, place: Place, tmp_path: Path) -> None:
        environ = {"PATH": place.environ["PATH"], "HOME": str(tmp_path / "home")}
        at_home = Place(place.project, environ)
        assert_silent(at_home.run(event(place)))
        assert at_home.server_sees() is not None
        assert (tmp_path / "home" / ".local" / "state" / "codex-fusion").is_dir()


def bad(fields: dict[str, object], *without: str) -> bytes:
    """Make a `/clear` with these fields, and without those."""
    whole: dict[str, object] = {"session_id": "x", "cwd": "/", "source": "clear"} | fields
    return json.dumps({name: value for name, value in whole.items() if name not in without}).encode()


BAD_INPUTS = {
    "empty": b"",
    "blank": b" \n",
    "no JSON": b"clear",
    "cut off": b'{"source": "clear", "session_id": "x"',
    "two documents": b'{"source": "startup"} {}',
    "a list": b'["clear"]',
    "null": b"null",
    "invalid UTF-8": b'{"source": "clear\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"source": "startup"}',
    "UTF-16": '{"source": "startup"}'.encode("utf-16"),
    "deeply nested": b"[" * 200_000,
    "an endless number": b'{"source": ' + b"1" * 10_000 + b"}",
    "huge": b'{"source": "startup", "padding": "' + b"x" * (session_reset.MAX_INPUT + 1) + b'"}',
    "no source": bad({}, "source"),
    "a source that is no text": bad({"source": ["clear"]}),
    "no session id": bad({}, "session_id"),
    "an empty session id": bad({"session_id": ""}),
    "a session id that is no text": bad({"session_id": 7}),
    "a session id of two lines": bad({"session_id": "a\nb"}),
    "a session id of half a character": bad({"session_id": "\ud800"}),
    "a huge session id": bad({"session_id": "x" * 2000}),
    "no folder": bad({}, "cwd"),
    "a folder that is no text": bad({"cwd": {}}),
    "a folder with a NUL": bad({"cwd": "/a\0b"}),
    "a folder of half a character": bad({"cwd": "/\ud800"}),
}


@pytest.mark.parametrize("data", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_is_one_line_on_stderr_and_changes_nothing(
    place: Place, tmp_path: Path, data: bytes
) -> None:
    assert_complains_in_one_line(place.run(data))
    assert not (tmp_path / "state").exists()


def test_a_state_folder_that_can_not_be_made_is_one_line_on_stderr(place: Place, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    assert_complains_in_one_line(place.run(event(place)))


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_matter(place: Place, closed: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$1" {closed}', sys.executable, str(HOOK)],
        input=b"no event",
        capture_output=True,
        env=place.environ,
        timeout=BOUND_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_writer_that_never_ends_its_event_is_not_waited_for() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"some of it")
        assert session_reset.read_input(reader, 0.01) == b"some of it"
    finally:
        os.close(reader)
        os.close(writer)


def test_it_needs_nothing_installed_and_no_more_than_one_module_beside_it(
    place: Place, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    for file in ("hooks/session_reset.py", "codex_fusion/__init__.py", "codex_fusion/nonce.py"):
        (plugin / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, plugin / file)
    elsewhere = Place(place.project, place.environ, plugin / "hooks" / "session_reset.py")
    assert_silent(elsewhere.run(event(place), "-I", "-S", cwd=Path("/")))
    assert place.server_sees() is not None


def test_it_is_found_through_a_symlink(place: Place, tmp_path: Path) -> None:
    (tmp_path / "my-hook.py").symlink_to(HOOK)
    linked = Place(place.project, place.environ, tmp_path / "my-hook.py")
    assert_silent(linked.run(event(place), "-I", "-S"))
    assert place.server_sees() is not None


def test_the_module_beside_it_comes_before_an_installed_one(place: Place, tmp_path: Path) -> None:
    installed = tmp_path / "installed" / "codex_fusion" / "__init__.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("raise ImportError('the installed one')")
    assert_silent(place.run(event(place), PYTHONPATH=str(tmp_path / "installed")))
    assert place.server_sees() is not None


def test_a_hostile_project_lends_it_no_module(place: Place) -> None:
    for name in ("json", "_json", "select", "os", "time", "codex_fusion"):
        (place.project / f"{name}.py").write_text("raise SystemExit('ran the code of the project')")
    assert_silent(place.run(event(place), cwd=place.project))
    assert place.server_sees() is not None


def test_it_imports_next_to_nothing(place: Place) -> None:
    def imported(done: subprocess.CompletedProcess[bytes]) -> set[str]:
        lines = done.stderr.decode().splitlines()
        return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}

    bare = [sys.executable, "-I", "-S", "-X", "importtime", "-c", "import os"]
    without = subprocess.run(bare, capture_output=True, timeout=BOUND_S, check=True)
    hook = place.run(event(place), "-I", "-S", "-X", "importtime")
    allowed = {"__future__", "select", "time", "_json", "codex_fusion", "codex_fusion.nonce"}
    assert imported(hook) - imported(without) <= allowed
    assert place.server_sees() is not None


def test_hooks_that_run_at_once_leave_one_of_their_ids(place: Place) -> None:
    ids = [f"session-{number}" * (number + 1) for number in range(6)]
    with ThreadPoolExecutor(len(ids)) as pool:
        for done in pool.map(lambda session_id: place.run(event(place, session_id=session_id)), ids):
            assert_silent(done)
    assert place.server_sees() in ids


class TestItsReader:
    @given(JSON_VALUES, st.sampled_from([None, 2]), st.booleans())
    def test_reads_what_json_writes(self, value: object, indent: int | None, ascii_only: bool) -> None:  # noqa: FBT001
        data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        assert session_reset.parse(b" \r\n" + data + b"\t\n") == value

    @given(
        st.text(st.sampled_from('{}[]":,\\u0019.eE+-truefalsn NaIity\n\t\0\ufeff'), min_size=1, max_size=12)
    )
    def test_takes_and_refuses_what_json_does(self, document: str) -> None:
        def outcome(parse: object) -> str:
            assert callable(parse)
            try:
                return repr(parse(document.encode()))
            except ValueError:
                return "refused"

        assert outcome(session_reset.parse) == outcome(lambda data: json.loads(data.decode()))
