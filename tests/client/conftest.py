from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server.conftest import git
from tests.support.bench import home, model_environment
from tests.support.claude import Claude, claude_command
from tests.support.real_agent import cache_folder
from tests.support.scripted_claude import ScriptedClaude, Use
from tests.support.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOOLS = "mcp__plugin_fusion_codex"
"""How Claude Code calls our tools: by the names of the plugin and of its server."""
ALLOWED = ("--allowedTools", TOOLS)
"""What a person has said yes to."""
HOSTED = "https://git.example.org/codex-fusion.git"
"""Where git finds the clone, for this test's Claude Code."""
STARTS = 9
"""How often the server is started until it is installed; each start waits 20 seconds for that."""


def use(tool: str, **arguments: object) -> Use:
    return Use(f"{TOOLS}__{tool}", arguments)


@dataclass(frozen=True)
class Desk:
    """A person's desk: the real Claude Code, our plugin, the real codex-acp; both models are scripts."""

    claude: Claude
    api: ScriptedClaude
    model: ScriptedModel
    folder: Path
    """Named in the environment of every process that is started here."""

    @property
    def workspace(self) -> Path:
        return self.claude.workspace


@pytest.fixture(scope="session")
def claude_code() -> Path:
    return claude_command()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone has it, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / "codex-fusion"
    folder.mkdir()
    git(folder, "init", "-q")
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all of it")
    return folder


@pytest.fixture(scope="session")
def installed(claude_code: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Claude]:
    """Claude Code on a home that was empty, with the plugin as users get it: from a git host."""
    with home() as folder:
        environment = {
            "PIP_CACHE_DIR": str(cache_folder(os.environ) / "pip"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{clone}.insteadOf",
            "GIT_CONFIG_VALUE_0": HOSTED,
        }
        claude = Claude(claude_code, folder, tmp_path_factory.mktemp("first"), environment)
        claude.manage("plugin", "install", "fusion", "--marketplace", HOSTED)
        # The first start installs the server; one that finds it takes too long says so instead.
        assert any(claude.manage("mcp", "list") and claude.has_server() for _ in range(STARTS))
        yield claude


@pytest.fixture
def desk(installed: Claude, real_agent: Path, tmp_path: Path) -> Iterator[Desk]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    git(workspace, "init", "-q")
    (workspace / "a.txt").write_text("the first line\n")
    # The server is started there: what it imports must not come from there.
    (workspace / "anyio.py").write_text("raise SystemExit\n")
    with ScriptedClaude() as api, ScriptedModel() as model, home() as folder:
        environment = model_environment(model, folder, real_agent) | {"ANTHROPIC_BASE_URL": api.url}
        yield Desk(Claude(installed.command, installed.home, workspace, environment), api, model, folder)


@pytest.fixture
def empty_home(claude_code: Path, tmp_path: Path) -> Claude:
    """Claude Code that was never started before."""
    (tmp_path / "home").mkdir()
    (tmp_path / "workspace").mkdir()
    return Claude(claude_code, tmp_path / "home", tmp_path / "workspace", {})
