"""What Claude Code on this machine knows of codex-fusion, read from its own files. Nothing is written.

Measured with Claude Code 2.1. Its files are its own affair: what is not as expected counts as not there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_fusion import nonce

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLUGIN = "fusion@codex-fusion"
HOOK_SCRIPT = "session_reset.py"
HOOK_COMMAND = re.compile(rf"{re.escape(HOOK_SCRIPT)}|codex-fusion\S* +hook\b")
SERVER_NAME = "codex-fusion"
FILE_LIMIT = 50_000_000
"""Bytes of a file that is read: Claude Code keeps much in `.claude.json`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Our server among Claude Code's MCP servers; `where` in words. `timeout_ms`: of its calls."""

    name: str
    where: str
    command: str
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A `SessionStart` hook of ours: a command line for a shell. `root`: of the plugin that brings it."""

    command: str
    where: str
    matcher: str = ""
    root: Path | None = None

    @property
    def hears_clear(self) -> bool:
        """Whether it is called for a `/clear`."""
        if self.matcher in ("", "*"):
            return True
        try:
            return re.fullmatch(self.matcher, "clear") is not None
        except re.error:
            return False


class ClaudeCode:
    """The user's Claude Code, as its files describe it, for work in `workspace`."""

    def __init__(self, environ: Mapping[str, str], workspace: Path) -> None:
        home = Path(nonce.home_folder(environ) or "/")
        named = environ.get("CLAUDE_CONFIG_DIR")
        self._environ = environ
        self._workspace = workspace
        self._folder = Path(named) if named else home / ".claude"
        self._known = _object(_read((self._folder if named else home) / ".claude.json"))
        self._settings = _object(_read(self._folder / "settings.json"))

    def entries(self) -> list[Entry]:
        """Where our server is registered: the plugin, the user's entries, the project's."""
        project = _object(_object(self._known.get("projects")).get(str(self._workspace)))
        found = [Entry(PLUGIN, "plugin", "python3")] if self.plugin() else []
        found += _entries(self._known, "your Claude Code")
        found += _entries(project, "your Claude Code, for this folder")
        return found + list(
            _entries(_object(_read(self._workspace / ".mcp.json")), ".mcp.json of this folder")
        )

    def hooks(self) -> list[Hook]:
        """Our hook, from the user's own settings and the plugin.

        The workspace's settings are not asked: whatever they name would be run.
        """
        found = list(_hooks(self._settings, "settings.json", None))
        if (root := self.plugin()) is not None:
            found += _hooks(_object(_read(root / "hooks" / "hooks.json")), "plugin", root)
        return found

    def plugin(self) -> Path | None:
        """The folder of our plugin; None unless it is installed and enabled."""
        enabled = _object(self._settings.get("enabledPlugins"))
        installed = _object(
            _object(_read(self._folder / "plugins" / "installed_plugins.json")).get("plugins")
        )
        for name, value in installed.items():
            if name.partition("@")[0] != PLUGIN.partition("@")[0] or enabled.get(name) is not True:
                continue
            for one in value if isinstance(value, list) else [value]:
                folder = _object(one).get("installPath")
                if isinstance(folder, str) and (Path(folder) / "hooks" / HOOK_SCRIPT).is_file():
                    return Path(folder)
        return None

    def limit_ms(self, name: str) -> int | None:
        """A time limit that the user has set, in the settings' `env` or in the environment."""
        value = _object(self._settings.get("env")).get(name, self._environ.get(name, ""))
        return int(value) if str(value).isdecimal() else None


def _entries(holder: dict[str, Any], where: str) -> Iterator[Entry]:
    for name, value in _object(holder.get("mcpServers")).items():
        entry = _object(value)
        arguments = entry.get("args")
        words = [entry.get("command"), *(arguments if isinstance(arguments, list) else [])]
        told = " ".join(word for word in words if isinstance(word, str))
        if re.search(r"codex[-_]fusion", f"{name} {told}"):
            timeout = entry.get("timeout")
            limit = timeout if isinstance(timeout, int) else None
            yield Entry(name, where, str(entry.get("command") or ""), limit)


def _hooks(holder: dict[str, Any], where: str, root: Path | None) -> Iterator[Hook]:
    groups = _object(holder.get("hooks")).get("SessionStart")
    for group in map(_object, groups if isinstance(groups, list) else []):
        hooks = group.get("hooks")
        for hook in map(_object, hooks if isinstance(hooks, list) else []):
            command = hook.get("command")
            if isinstance(command, str) and HOOK_COMMAND.search(command):
                yield Hook(command, where, str(group.get("matcher") or ""), root)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(file: Path) -> object:
    try:
        if not file.is_file() or file.stat().st_size > FILE_LIMIT:
            return None
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
