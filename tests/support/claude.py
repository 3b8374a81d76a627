"""The real Claude Code for the tests: installed once by npm, at a pinned version; each on a home of its own.

Nothing of it uses the network: its API is a `ScriptedClaude` on loopback. What needs an account or the
vendor's servers (the first-run dialogues, above all) is answered ahead in its configuration file.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.real_agent import cache_folder
from tests.support.terminal import Terminal
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = "2.1.329"
NPM_LIMIT_S = 600.0
API_KEY = "dummy"
NO_API = "http://127.0.0.1:9"
"""Nobody listens there. Without an address it would try the vendor's, and wait."""
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}


def claude_command() -> Path:
    """The native binary; npm runs if this is the first time. It told the pinned version."""
    package = f"@anthropic-ai/claude-code-{_SYSTEMS[platform.system()]}-{_MACHINES[platform.machine()]}"
    cache = cache_folder(os.environ)
    folder = cache / f"claude-code-{VERSION}"
    command = folder / "node_modules" / package / "claude"
    if not _answers(command):
        npm = shutil.which("npm")
        assert npm is not None, "npm is needed to install Claude Code"
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache, ignore_cleanup_errors=True) as scratch:
            stage = Path(scratch) / folder.name
            flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
            subprocess.run(
                (npm, "install", "--prefix", stage, *flags, f"{package}@{VERSION}"),
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=NPM_LIMIT_S,
            )
            with suppress(FileNotFoundError):
                folder.rename(Path(scratch) / "broken")
            with suppress(OSError):  # another run was first
                stage.rename(folder)
    assert _answers(command), f"{command} is not Claude Code {VERSION}"
    return command


def _answers(command: Path) -> bool:
    try:
        done = subprocess.run((command, "--version"), capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return False
    return done.stdout.startswith(f"{VERSION} ")


@dataclass(frozen=True)
class Claude:
    """Claude Code on one home and one workspace."""

    command: Path
    home: Path
    workspace: Path
    environment: Mapping[str, str]
    """What it gets beside its own settings; it hands all of it on to its MCP servers."""

    @property
    def config_folder(self) -> Path:
        return self.home / ".claude"

    def has_server(self) -> bool:
        """Whether the plugin has installed its server."""
        return any(self.config_folder.glob("plugins/data/fusion-codex-fusion/server-*/bin/python"))

    def manage(self, *arguments: str) -> str:
        """Run a command of its command line (`plugin …`, `mcp …`); returns what it printed."""
        done = self._run(arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def print(self, prompt: str, *flags: str) -> str:
        """Run one prompt in print mode, to its end; returns the answer."""
        done = self._run(("-p", prompt, *flags))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def mcp_log(self) -> str:
        """What Claude Code wrote about its MCP servers in this workspace, oldest first."""
        here = re.sub(r"[^A-Za-z0-9]", "-", str(self.workspace))
        logs = self.home.glob(f".cache/claude-cli-nodejs/{here}/mcp-logs-*/*.jsonl")
        return "".join(log.read_text() for log in sorted(logs))

    @contextmanager
    def terminal(self, *flags: str) -> Iterator[Terminal]:
        """Its terminal interface, in the flat form that it has for screen readers; ready for a prompt."""
        self._skip_first_run()
        command = (str(self.command), "--ax-screen-reader", *flags)
        with Terminal(command, self.workspace, self._environment()) as terminal:
            terminal.shows("\n$")
            yield terminal

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (str(self.command), *arguments),
            cwd=self.workspace,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "ANTHROPIC_BASE_URL": NO_API,
            **self.environment,
            "HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.config_folder),
            "ANTHROPIC_API_KEY": API_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "TERM": "xterm-256color",
        }

    def _skip_first_run(self) -> None:
        """Answer what it asks a person once: the theme, the key, and whether the folder is trusted."""
        file = self.config_folder / ".claude.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        known["hasCompletedOnboarding"] = True
        known["customApiKeyResponses"] = {"approved": [API_KEY], "rejected": []}
        known.setdefault("projects", {}).setdefault(str(self.workspace), {})["hasTrustDialogAccepted"] = True
        self.config_folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known))
