from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from codex_fusion.setup import own_command, register_command

if TYPE_CHECKING:
    from pathlib import Path


def made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


def test_the_command_is_the_one_beside_the_interpreter_in_full(tmp_path: Path) -> None:
    python = made(tmp_path / "venv/bin/python")
    command = made(tmp_path / "venv/bin/codex-fusion")
    assert own_command(str(python), "cli.py") == (str(command),)


def test_a_command_elsewhere_is_the_one_that_was_called(tmp_path: Path) -> None:
    python = made(tmp_path / "venv/bin/python")
    command = made(tmp_path / "bin/codex-fusion")
    assert own_command(str(python), str(command)) == (str(command),)


def test_without_a_command_the_module_is_named(tmp_path: Path) -> None:
    python = str(made(tmp_path / "bin/python"))
    assert own_command(python, str(tmp_path / "gone/codex-fusion")) == (python, "-m", "codex_fusion.cli")


@pytest.mark.parametrize(
    ("noted", "source"),
    [
        (None, ()),
        ('{"url": "file:///a/clone", "dir_info": {}}', ("--from", "file:///a/clone")),
        (
            '{"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "c"}}',
            ("--from", "git+https://h/r"),
        ),
        (
            '{"url": "https://h/r", "vcs_info": {"vcs": "git", "requested_revision": "v1"}}',
            ("--from", "git+https://h/r@v1"),
        ),
    ],
    ids=["index", "folder", "git", "revision"],
)
def test_uvx_is_asked_again_for_the_same_instead_of_its_cache(
    tmp_path: Path, noted: str | None, source: tuple[str, ...]
) -> None:
    python = made(tmp_path / "uv/archive-v0/abc/bin/python")
    made(python.with_name("codex-fusion"))
    assert own_command(str(python), "codex-fusion", lambda: noted) == ("uvx", *source, "codex-fusion")


def test_claude_code_is_told_for_all_projects_of_the_user() -> None:
    command = register_command()
    assert command[:7] == ("claude", "mcp", "add", "--scope", "user", "codex-fusion", "--")
    assert command[7:] == own_command(sys.executable)
