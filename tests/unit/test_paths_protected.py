"""Places inside the workspace where a write reaches further than the one file that it names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from codex_fusion.paths import Target, Where
from tests.support.disks import DiskThatFails, look, where

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="ws")
def workspace(tmp_path: Path) -> Path:
    """A workspace with a folder and a file, beside a folder that is not of it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_text("s")
    (tmp_path / "ws" / "src").mkdir(parents=True)
    return tmp_path / "ws"


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".git/hooks/pre-commit",
            ".git",
            "sub/.git/config",
            ".codex/config.toml",
            ".agents/x",
            ".claude/settings.json",
        ),
        *(".mcp.json", ".vscode/tasks.json", ".envrc", ".npmrc", ".github/workflows/ci.yml", "src/.idea/x"),
        *("AGENTS.md", "docs/AGENTS.override.md", "CLAUDE.md", "claude.local.MD"),
        *(
            ".GIT/config",
            ".g\u200bit/config",
            "\u200c.git/config",
            "GIT~1/config",
            "CLAUDE.md::$DATA",
            "agents.md. ",
        ),
    ],
)
def test_what_steers_git_editors_shells_or_agents_is_protected(ws: Path, path: str) -> None:
    target = look(path, ws)
    assert target.where is Where.PROTECTED
    assert target.why.endswith("steers git, editors, shells or agents")
    assert target.resolved == f"{ws}/{path}"


@pytest.mark.parametrize(
    "path", ["git/x", "src/claude.py", "agents.mdx", "a.git", "x.codex/y", "a~b", "my.claude.md"]
)
def test_an_ordinary_name_is_not_protected(ws: Path, path: str) -> None:
    assert where(path, ws) is Where.INSIDE


def test_a_workspace_in_a_hidden_folder_is_an_ordinary_workspace(ws: Path) -> None:
    (ws / ".cache" / "project").mkdir(parents=True)
    assert where("a.py", ws / ".cache" / "project") is Where.INSIDE


def test_a_symlink_to_a_protected_place_is_protected(ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / "innocent").symlink_to(".git")
    assert where("innocent/config", ws) is Where.PROTECTED


def test_a_protected_name_that_is_a_symlink_protects_what_it_points_at(ws: Path) -> None:
    (ws / ".codex").symlink_to("conf")
    (ws / ".loop").symlink_to(".loop")
    (ws / ".env").write_text("x")
    assert look("conf/config.toml", ws).why == "`.codex` is a link to it"
    assert where("conf", ws) is Where.PROTECTED
    assert where("CONF/config.toml", ws) is Where.PROTECTED
    assert where(".codex/config.toml", ws) is Where.PROTECTED
    assert where("config/x", ws) is Where.INSIDE


def test_a_protected_name_on_the_way_is_protected_wherever_it_leads(ws: Path) -> None:
    (ws / "conf").mkdir()
    (ws / "src" / ".codex").symlink_to("../conf")
    assert look("src/.codex/config.toml", ws).resolved == f"{ws}/conf/config.toml"
    assert where("src/.codex/config.toml", ws) is Where.PROTECTED


def test_a_protected_name_that_can_not_be_looked_at_protects_itself(ws: Path) -> None:
    (ws / ".codex").mkdir()
    disk = DiskThatFails(ws / ".codex", PermissionError(13, "Permission denied"))
    assert where("a.py", ws, disk=disk) is Where.INSIDE


def test_a_folder_is_protected_with_all_that_is_in_it(ws: Path) -> None:
    assert look("src", ws).why == "a folder, with all that is in it"
    assert look(".", ws).why == "the workspace itself"


def test_a_file_with_another_name_is_protected(ws: Path) -> None:
    os.link(ws.parent / "out" / "secret", ws / "hard")
    assert look("hard", ws) == Target(
        "hard", f"{ws}/hard", Where.PROTECTED, "the file has other names: hard links"
    )


def test_what_is_not_a_plain_file_is_protected(ws: Path) -> None:
    os.mkfifo(ws / "pipe")
    assert look("pipe", ws).why == "not a plain file"
