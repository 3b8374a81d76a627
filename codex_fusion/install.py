"""Puts the pinned codex-acp into a folder of its own, by npm: all of it or nothing.

The versions are pinned because the guardian leans on what exactly these were measured to do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import nonce
from codex_fusion.errors import FusionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CODEX_ACP_PACKAGE = "@agentclientprotocol/codex-acp"
CODEX_ACP_VERSION = "2.6.0"
CODEX_PACKAGE = "@openai/codex"
CODEX_VERSION = "0.166.0"
"""codex-acp alone would take any later patch of it."""

PINNED = (f"{CODEX_ACP_PACKAGE}@{CODEX_ACP_VERSION}", f"{CODEX_PACKAGE}@{CODEX_VERSION}")
"""What npm is asked for."""

NPM_LIMIT_S = 600.0
ANSWER_LIMIT_S = 60.0

_NAME = f"codex-acp-{CODEX_ACP_VERSION}"
_LAST_LINES = 12
_REMEDIES = (
    (("ENOSPC",), "Free some disk space (about 700 MB are needed), then try again."),
    (("EACCES", "EPERM", "EROFS"), "Make the folders named above writable for you, then try again."),
    (
        ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "UNABLE_TO_", "CERT"),
        "Check the network, and npm's registry, proxy and certificates (`npm config list`), then try again.",
    ),
)

if TYPE_CHECKING:
    Run = Callable[[tuple[str, ...], float], subprocess.CompletedProcess[str]]


def data_folder(environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> Path:
    """Where `codex-fusion setup` installs: the user's own data, not the workspace's.

    :raises FusionError: the user has no home folder.
    """
    if windows:
        return user_folder(environ, "LOCALAPPDATA", "AppData/Local")
    return user_folder(environ, "XDG_DATA_HOME", ".local/share")


def user_folder(environ: Mapping[str, str], variable: str, in_home: str) -> Path:
    """Our folder in the one that `variable` names, else in `in_home` in the user's home."""
    base = Path(environ.get(variable, ""))
    if base.is_absolute():  # the XDG specification: what is not absolute is to be ignored
        return base / "codex-fusion"
    home = nonce.home_folder(environ)
    if home is None:
        raise FusionError("You have no home folder to install codex-acp in.", f"Set HOME, or {variable}.")
    return Path(home) / in_home / "codex-fusion"


def installed_command(folder: Path) -> Path | None:
    """The command that `install` put into `folder`; None unless it is whole and at the pinned versions."""
    modules = folder / _NAME / "node_modules"
    command = modules / ".bin" / ("codex-acp.cmd" if os.name == "nt" else "codex-acp")
    whole = (
        _version(modules / CODEX_ACP_PACKAGE) == CODEX_ACP_VERSION
        and _version(modules / CODEX_PACKAGE) == CODEX_VERSION
        # The binary is an optional package, one for each platform: npm may have left it out without a word.
        and any(modules.glob(f"{CODEX_PACKAGE}-*"))
        and command.exists()
    )
    return command if whole else None


def run_quietly(argv: tuple[str, ...], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run a command to its end: no input, its stdout and stderr together."""
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=limit_s,
        check=False,
    )


def install(
    folder: Path, *, run: Run = run_quietly, which: Callable[[str], str | None] = shutil.which
) -> Path:
    """Install codex-acp into `folder` unless it is there and answers; returns the command.

    Safe beside another run for the same folder: the first to be ready wins. What does not answer is replaced.

    :raises FusionError: npm is missing or failed, or the folder can't be written.
    """
    found = installed_command(folder)
    if found and _answers(found, run):
        return found
    npm = which("npm")
    if npm is None:
        raise FusionError(
            "npm was not found on PATH; it is needed to install codex-acp.",
            "Install Node.js 20 or newer (npm comes with it), then try again.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the finished installation gets its name by one rename.
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder, ignore_cleanup_errors=True) as name:
            scratch = Path(name)
            if found or not installed_command(folder):
                with suppress(FileNotFoundError):
                    (folder / _NAME).rename(scratch / "broken")
            _fill(scratch, npm, run)
            _name(scratch / _NAME, folder / _NAME)
    except OSError as error:
        raise FusionError(
            f"codex-acp could not be installed into {folder}: {error}.",
            "Check that the folder is writable and that the disk has about 700 MB left, then try again.",
        ) from error
    if command := installed_command(folder):
        return command
    raise FusionError(f"{folder / _NAME} was changed while codex-acp was installed there.", "Try again.")


def _fill(scratch: Path, npm: str, run: Run) -> None:
    """Install into a folder inside `scratch`, and try what came of it."""
    stage = scratch / _NAME
    stage.mkdir()
    # Nothing of it needs an install script, and none is trusted with one. `--include`: see installed_command.
    flags = ("--ignore-scripts", "--include=optional", "--no-audit", "--no-fund", "--no-update-notifier")
    argv = (npm, "install", "--prefix", str(stage), *flags, *PINNED)
    try:
        done = run(argv, NPM_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise FusionError(
            f"npm had not installed codex-acp after {error.timeout:.0f} s.", _REMEDIES[-1][1]
        ) from error
    if done.returncode != 0:
        raise FusionError(
            f"npm could not install codex-acp (it exited with {done.returncode}). It was run as:\n"
            f"{' '.join(argv)}\nIts last lines:\n{_last_lines(done.stdout)}",
            _remedy(done.stdout),
        )
    command = installed_command(scratch)
    if command is None:
        raise FusionError(
            f"npm reported success, but codex-acp is not whole: {', '.join(PINNED)}, or Codex's binary for "
            f"this platform, is missing. npm's last lines:\n{_last_lines(done.stdout)}",
            "Look at npm's settings (`npm config list`) for some that leave packages out, then try again.",
        )
    if not _answers(command, run):
        raise FusionError(
            "codex-acp was installed, but `codex-acp --version` does not answer as it should.",
            "Check that `node --version` says 20 or newer, then try again.",
        )


def _name(stage: Path, target: Path) -> None:
    """Give the finished installation its name, unless another run was first."""
    try:
        stage.rename(target)
    except OSError:
        if not target.exists():
            raise


def _answers(command: Path, run: Run) -> bool:
    """Whether the command runs, and is the one that it should be."""
    try:
        done = run((str(command), "--version"), ANSWER_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and CODEX_ACP_VERSION in done.stdout.split()


def _version(package: Path) -> str | None:
    """The version that an installed npm package names, None where there is none to be read."""
    try:
        described = json.loads((package / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    version = described.get("version") if isinstance(described, dict) else None
    return version if isinstance(version, str) else None


def _last_lines(output: str) -> str:
    """The end of npm's output, without its advertisements."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("npm notice")]
    return "\n".join(lines[-_LAST_LINES:]) or "(it said nothing)"


def _remedy(output: str) -> str:
    """What to do about this failure of npm."""
    known = (remedy for words, remedy in _REMEDIES if any(word in output for word in words))
    return next(known, "Run the command above by hand to see all that npm says.")
