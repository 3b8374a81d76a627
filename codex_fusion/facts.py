"""What is on the disk that decides how Codex can be held. `surroundings` gathers it; pure here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layer:
    """One configuration file that Codex would read: the settings in it, and the MCP servers that it names."""

    path: Path
    settings: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    provider_variables: tuple[str, ...] = ()
    """Variables in which the user's model providers find their keys."""
    problem: str = ""
    """Why it could not be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is on the disk, every path free of symlinks. `surroundings` gathers them."""

    workspace: Path
    profile: str
    """A name for the permission profile that nobody can guess: profiles of one name are merged."""
    codex_home: Path
    launcher: Path
    scratch: Path
    """An empty folder of ours in the temp folder: named as readable, it gives commands a private /tmp."""
    codex: tuple[str, ...] | None = None
    """The command that runs the real codex."""
    codex_search: Path | None = None
    """Where the launcher looks for codex on PATH when `codex` is not known yet (npx)."""
    codex_folders: tuple[Path, ...] = ()
    """Codex's installation: unreadable, each command would die."""
    system_folders: tuple[Path, ...] = ()
    """Where tools are installed for everybody, beside what Codex's `:minimal` names."""
    git_folders: tuple[Path, ...] = ()
    """The repository's own folder, where it lies outside the workspace."""
    unverified_git: Path | None = None
    """A git folder outside that the workspace names, and which does not name the workspace."""
    foreign_repository: Path | None = None
    """The repository's root if somebody else owns it: git would refuse to read it."""
    user_layers: tuple[Layer, ...] = ()
    workspace_layers: tuple[Layer, ...] = ()
    workspace_files: tuple[str, ...] = ()
    """Other files of the workspace that Codex would take orders from: rules, hooks, AGENTS.md."""
    user_rules: tuple[Path, ...] = ()
    """The user's rules for commands: what they allow, Codex runs outside the sandbox, unasked."""
    platform: str = "linux"
