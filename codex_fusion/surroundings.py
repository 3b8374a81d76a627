"""Gathers the facts that a plan rests on, and makes the few files that it needs.

Nothing of the user's and nothing of the workspace's is written.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_fusion import codex_install, launcher, nonce, repository
from codex_fusion.codex_settings import provider_variables
from codex_fusion.errors import ConfinementError
from codex_fusion.facts import Facts, Layer
from codex_fusion.install import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_fusion.config import Config

SYSTEM_FOLDERS = (
    "/opt",
    "/nix/store",
    "/run/current-system/sw",
    "/snap",
    "/home/linuxbrew/.linuxbrew",
)
"""Where tools for everybody are installed, beside what Codex's `:minimal` names."""
SYSTEM_CODEX = Path("/etc/codex")
PROFILE_BYTES = 12
MAX_LAYER = 1_000_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The facts for one start of an agent, and a folder of ours that lives as long as the agent."""

    facts: Facts
    folder: Path

    def remove(self) -> None:
        """Remove the folder; the agent has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def stale(self) -> bool:
        """Whether rules for commands appeared since: Codex reads them for each session; the plan did not."""
        return bool(_rules(self.facts.codex_home)) and not self.facts.user_rules


def survey(config: Config, argv: tuple[str, ...], environ: Mapping[str, str]) -> Surroundings:
    """Gather the facts for an agent that `argv` is to start.

    :raises ConfinementError: there is no folder that the launcher could be put into.
    """
    workspace = Path(os.path.realpath(config.workspace))
    codex_home = _codex_home(environ)
    codex = codex_install.find(argv, environ)
    around = repository.find(workspace)
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="codex-fusion-")))
    (scratch := folder / "scratch").mkdir()
    try:
        script = _launcher(folder, environ)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    facts = Facts(
        workspace=workspace,
        # A letter first, and nothing that Codex's options would take for a path.
        profile="fusion" + secrets.token_hex(PROFILE_BYTES),
        codex_home=codex_home,
        launcher=script,
        scratch=scratch,
        codex=codex.command,
        codex_search=codex.search,
        codex_folders=codex.folders,
        system_folders=tuple(Path(name) for name in SYSTEM_FOLDERS if Path(name).is_dir()),
        git_folders=around.folders,
        unverified_git=around.unverified,
        foreign_repository=around.root if around.foreign else None,
        user_layers=tuple(_layers((codex_home / "config.toml", SYSTEM_CODEX / "config.toml"))),
        workspace_layers=tuple(_layers(_workspace_files(workspace, around.root, ".codex/*.toml"))),
        workspace_files=tuple(
            str(file)
            for pattern in ("AGENTS.md", "AGENTS.override.md", ".codex/hooks.json", ".codex/rules/*.rules")
            for file in _workspace_files(workspace, around.root, pattern)
        ),
        user_rules=_rules(codex_home),
        platform=sys.platform,
    )
    return Surroundings(facts, folder)


def _codex_home(environ: Mapping[str, str]) -> Path:
    named = environ.get("CODEX_HOME")
    home = Path(named) if named else Path(nonce.home_folder(environ) or "/") / ".codex"
    return Path(os.path.realpath(home))


def _rules(codex_home: Path) -> tuple[Path, ...]:
    return tuple(
        file for folder in (SYSTEM_CODEX, codex_home) for file in sorted((folder / "rules").glob("*.rules"))
    )


def _workspace_files(workspace: Path, root: Path | None, pattern: str) -> Iterator[Path]:
    """Files in the folders that Codex looks into: from the repository's root down to the workspace."""
    folders = [workspace]
    while root is not None and folders[0] != root:
        folders.insert(0, folders[0].parent)
    for folder in folders:
        yield from sorted(folder.glob(pattern))


def _layers(files: Iterator[Path] | tuple[Path, ...]) -> Iterator[Layer]:
    return (_layer(file) for file in files if os.path.lexists(file))


def _layer(file: Path) -> Layer:
    """What a configuration file sets. Its problem is said, not raised: the plan decides what it means."""
    try:
        if not file.is_file() or file.stat().st_size > MAX_LAYER:  # a pipe would be waited for
            return Layer(file, problem="is no ordinary file")
        settings: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return Layer(file, problem=f"can't be read ({error.strerror})")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Layer(file, problem=f"is no valid TOML ({error})")
    except RecursionError:
        return Layer(file, problem="is nested too deeply")
    servers = settings.get("mcp_servers")
    return Layer(
        file,
        tuple(settings),
        tuple(servers) if isinstance(servers, dict) else (),
        provider_variables(settings),
    )


def _launcher(folder: Path, environ: Mapping[str, str]) -> Path:
    """The script that CODEX_PATH names: in our folder, or in the user's data where nothing may run there."""
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(launcher.__file__)} "$@"\n'
    places = (folder, data_folder(environ))
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            # Under its name only when it is whole: in the second place another start may be running it.
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=place, delete=False) as file:
                file.write(text)
            script = Path(file.name).replace(place / "codex-launcher")
            script.chmod(0o700)
        except OSError:
            continue
        if os.access(script, os.X_OK):  # false on a file system that runs nothing
            return Path(os.path.realpath(script))
    raise ConfinementError(
        f"Codex's launcher can't be made: neither {places[0]} nor {places[1]} takes a file that may run.",
        "Make one of them writable, and not on a file system mounted noexec (TMPDIR moves the first one).",
    )
