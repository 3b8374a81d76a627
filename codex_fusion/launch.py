"""Which command starts the agent."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from codex_fusion.errors import AgentStartError
from codex_fusion.install import PINNED, data_folder, installed_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_fusion.config import Config

START_LIMIT_S = 60.0
NPX_START_LIMIT_S = 280.0
"""npx may have about 450 MB to download first."""


class LaunchSource(StrEnum):
    """Where the command was found."""

    CONFIGURED = "configured"
    """`CODEX_FUSION_ACP_COMMAND`."""
    INSTALLED = "installed"
    """`codex-fusion setup` put it into the user's data folder, at the pinned version."""
    ON_PATH = "on PATH"
    NPX = "npx"
    """Fetched by npx at the pinned version, and kept in npm's cache."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the agent, and how long it may take to answer."""

    argv: tuple[str, ...]
    source: LaunchSource
    start_limit_s: float = START_LIMIT_S
    cwd: Path | None = None
    """The folder to start it in; None: any. See `_by_npx`."""


class Which(Protocol):
    """`shutil.which`, as far as it is used here."""

    def __call__(self, cmd: str, /, *, path: str | None = None) -> str | None:
        """The full name of `cmd` in one of the folders of `path`."""
        ...


def find(config: Config, environ: Mapping[str, str], *, which: Which = shutil.which) -> Launch:
    """The first that is there: configured, installed by setup, on PATH, npx.

    :raises AgentStartError: none of them is there, or what is configured is not.
    """
    path = environ.get("PATH", os.defpath)
    if config.acp_command is not None:
        return _configured(config.acp_command, which, path)
    if installed := installed_command(data_folder(environ)):
        return Launch((str(installed),), LaunchSource.INSTALLED)
    if command := _on_path("codex-acp", which, path):
        return Launch((command,), LaunchSource.ON_PATH)
    if npx := _on_path("npx", which, path):
        return _by_npx(npx)
    raise AgentStartError(
        "Codex can't be started: neither codex-acp nor npx was found on PATH.",
        "Install Node.js 20 or newer (with npm), then run `codex-fusion setup`; "
        "or name a command that speaks ACP in CODEX_FUSION_ACP_COMMAND.",
    )


def _configured(command: tuple[str, ...], which: Which, path: str) -> Launch:
    found = which(command[0], path=path)
    if found is None:
        raise AgentStartError(
            f"CODEX_FUSION_ACP_COMMAND starts with {command[0]!r}, which is no command: "
            "there is no such executable file, nor one of that name on PATH.",
            "Correct it, or remove it to have codex-acp found.",
        )
    # Absolute, so that it means the same wherever the agent is started.
    program = str(Path(found).absolute())
    limit = NPX_START_LIMIT_S if Path(program).stem == "npx" else START_LIMIT_S
    return Launch((program, *command[1:]), LaunchSource.CONFIGURED, limit)


def _on_path(command: str, which: Which, path: str) -> str | None:
    """The full name of `command`; not what a relative entry of PATH leads to: that may be the workspace's."""
    found = which(command, path=path)
    return found if found and Path(found).is_absolute() else None


def _by_npx(npx: str) -> Launch:
    """By npx, and outside the workspace.

    npx prefers what the current folder holds: a `node_modules` whose codex-acp claims the pinned version,
    a `node_modules/.bin/node`, an `.npmrc`. Started in the workspace, it would run a stranger's code.
    """
    argv = (npx, "-y", *(f"--package={package}" for package in PINNED), "codex-acp")
    return Launch(argv, LaunchSource.NPX, NPX_START_LIMIT_S, cwd=Path(npx).parent)
