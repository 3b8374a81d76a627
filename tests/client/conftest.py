from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.bench import home, model_environment
from tests.support.claude import Claude, claude_command
from tests.support.real_agent import cache_folder
from tests.support.scripted_claude import ScriptedClaude, Use
from tests.support.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOOLS = "mcp__plugin_fusion_codex"
STARTS = 6
"""Each waits 20 seconds for the installation."""
ALLOWED = ("--allowedTools", TOOLS)
"""What a person once said yes to."""


def use(tool: str, **arguments: object) -> Use:
    """A call of one of our tools, under the name that the plugin gives it."""
    return Use(f"{TOOLS}__{tool}", arguments)


@dataclass(frozen=True)
class Installation:
    """Claude Code with the plugin installed, on a home that was empty; and what its first start came to."""

    command: Path
    home: Path
    listed: str
    """What `claude mcp list` said at last."""


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

    @property
    def mcp_log(self) -> str:
        """What Claude Code wrote about our server, oldest first."""
        logs = self.claude.home.glob(".cache/claude-cli-nodejs/*/mcp-logs-*/*.jsonl")
        here = (log.read_text() for log in sorted(logs) if str(self.workspace) in log.read_text())
        return "".join(here)


@pytest.fixture(scope="session")
def claude_code() -> Path:
    return claude_command()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone has it, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / "codex-fusion"
    listed = ("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def installation(claude_code: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    workspace = tmp_path_factory.mktemp("first")
    with home() as folder, ScriptedClaude() as api:
        environment = {"ANTHROPIC_BASE_URL": api.url, "PIP_CACHE_DIR": str(cache_folder(os.environ) / "pip")}
        claude = Claude(claude_code, folder, workspace, environment)
        claude.manage("plugin", "marketplace", "add", str(clone))
        claude.manage("plugin", "install", "fusion@codex-fusion")
        # The first start installs; where that takes long it says so, and the next one waits for it.
        listed = next(said for _ in range(STARTS) if (said := claude.manage("mcp", "list")) and claude.has_server())
        yield Installation(claude_code, folder, listed)


@pytest.fixture
def desk(installation: Installation, real_agent: Path, tmp_path: Path) -> Iterator[Desk]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    subprocess.run(("git", "init", "-q", str(workspace)), check=True)
    (workspace / "a.txt").write_text("the first line\n")
    with ScriptedClaude() as api, ScriptedModel() as model, home() as folder:
        environment = model_environment(model, folder, real_agent) | {"ANTHROPIC_BASE_URL": api.url}
        claude = Claude(installation.command, installation.home, workspace, environment)
        yield Desk(claude, api, model, folder)
