from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.bench import Bench, home, model_environment, serving
from tests.support.played import Played, play
from tests.support.rogue import Rogue
from tests.support.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from mcp.client.client import ConnectMode


@dataclass
class Real:
    """The real codex-acp on a repository of the test's own, with a scripted model."""

    model: ScriptedModel
    workspace: Path
    environment: dict[str, str]

    def config(self, **provider: object) -> str:
        """The CODEX_CONFIG of this test, with other settings of its model provider."""
        config = json.loads(self.environment["CODEX_CONFIG"])
        config["model_providers"]["mock"] |= provider
        return json.dumps(config)

    def serving(self, mode: ConnectMode = "auto", **extra: str) -> AbstractAsyncContextManager[Bench]:
        return serving(self.workspace, self.environment | extra, mode=mode)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    command = ("git", "-C", str(folder), *identity, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("the first line\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def real(repository: Path, real_agent: Path) -> Iterator[Real]:
    with ScriptedModel() as model, home() as folder:
        yield Real(model, repository, model_environment(model, folder, real_agent))


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    """The server with the rogue agent; no process of it outlives the test."""
    with Rogue(tmp_path) as rogue:
        yield play(tmp_path, rogue)
