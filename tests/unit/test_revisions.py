"""What is to be reviewed, asked of a real git; and that a hostile repository can't use that."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from codex_fusion import prompts, revisions
from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    command = ("git", "-C", str(folder), *identity, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


async def resolve(
    folder: Path, *, diff: str | None = None, base: str | None = None, commit: str | None = None
) -> prompts.Target:
    return await revisions.resolve(folder, diff=diff, base=base, commit=commit)


async def test_a_pasted_diff_needs_no_repository(tmp_path: Path) -> None:
    assert await resolve(tmp_path, diff="+ a") == prompts.PastedDiff("+ a")


async def test_no_argument_means_the_uncommitted_changes(repository: Path) -> None:
    assert await resolve(repository) == prompts.Uncommitted()


async def test_a_base_is_where_the_histories_parted(repository: Path) -> None:
    parted = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-qb", "feature")
    git(repository, "commit", "-qm", "second", "--allow-empty")
    git(repository, "checkout", "-q", "main")
    git(repository, "commit", "-qm", "third", "--allow-empty")
    assert await resolve(repository, base="feature") == prompts.SinceBase("feature", parted)


async def test_a_commit_is_named_by_its_full_hash(repository: Path) -> None:
    sha = git(repository, "rev-parse", "HEAD")
    assert await resolve(repository, commit="main") == prompts.OneCommit("main", sha)


@pytest.mark.parametrize("name", ["nonsense", "--output=made", "-q", "HEAD:a.txt", "a\nb", ""])
async def test_what_names_no_commit_is_refused_with_its_name(repository: Path, name: str) -> None:
    with pytest.raises(CallError, match="names no commit"):
        await resolve(repository, base=name)
    assert git(repository, "status", "--porcelain") == ""


async def test_a_base_without_common_history_is_refused(repository: Path) -> None:
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-qm", "unrelated")
    with pytest.raises(CallError, match="no common history"):
        await resolve(repository, base="main")


async def test_outside_a_repository_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="no git work tree") as raised:
        await resolve(tmp_path)
    assert "`diff`" in raised.value.remedy


async def test_a_nul_is_refused(repository: Path) -> None:
    with pytest.raises(CallError, match="NUL"):
        await resolve(repository, base="a\0b")


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("ssh://nobody@127.0.0.1/x", {"core.sshCommand": "{program}"}),
        ("ext::{program} x", {"protocol.ext.allow": "always"}),
        ("{folder}", {"remote.origin.uploadpack": "{program}"}),
    ],
)
async def test_a_repository_that_lacks_an_object_gets_no_program_run(
    repository: Path, tmp_path: Path, url: str, settings: dict[str, str]
) -> None:
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    words = {"program": str(program), "folder": str(tmp_path)}
    git(repository, "config", "core.repositoryFormatVersion", "1")
    git(repository, "config", "extensions.partialClone", "origin")
    git(repository, "config", "remote.origin.promisor", "true")
    git(repository, "config", "remote.origin.url", url.format(**words))
    for name, value in settings.items():
        git(repository, "config", name, value.format(**words))
    (repository / ".git" / "refs" / "heads" / "feature").write_text(f"{'1' * 40}\n")
    for asked in ({"base": "feature"}, {"commit": "feature"}):
        with pytest.raises(CallError):
            await resolve(repository, **asked)
    assert not marker.exists()
