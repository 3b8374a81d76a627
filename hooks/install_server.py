#!/usr/bin/env python3
"""Installs codex-fusion from a folder into a virtual environment: `install_server.py SOURCE ENVIRONMENT`.

`start_server.py` runs it, in a session of its own and outside the workspace. It uses uv where there is one,
else `venv` and pip; it does all or nothing, and once where several windows want it. What went wrong goes to
stderr, for a person.

It runs under any Python from 3.8 on; what it installs needs 3.11.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = (3, 11)
PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python")
LIMIT_S = 900.0
UNUSED_S = 30 * 86_400.0
"""When the environment of another version goes. A server may run from it as long as nobody restarts it."""
LAST_LINES = 8
AGAIN = "then start Claude Code again"


class ProblemError(Exception):
    """Why it can't be installed, and what to do, for a person to read."""


def main(arguments: list[str]) -> int:
    """Install; the exit code."""
    source, folder = map(Path, arguments)
    try:
        install(source, folder)
    except ProblemError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"codex-fusion could not be installed: {error}.\n→ Set that right, {AGAIN}.\n")
        return 1
    return 0


def install(source: Path, folder: Path) -> None:
    """Make `folder` a virtual environment with what is in `source`, unless another run was first."""
    with _alone(folder.parent / "installing.lock"):
        if os.access(_python_of(folder), os.X_OK):
            return
        stage = folder.parent / ".new"
        shutil.rmtree(folder, ignore_errors=True)
        _fill(stage, source)
        stage.rename(folder)  # only its interpreter is ever run, which bears being moved
        _remove_unused(folder)


def _fill(stage: Path, source: Path) -> None:
    failures: list[str] = []
    for commands in _ways(stage, source):
        shutil.rmtree(stage, ignore_errors=True)  # also what a run that was killed has left
        failed = next(filter(None, map(_failure, commands)), None)
        if failed is None:
            return
        failures.append(failed)
    shutil.rmtree(stage, ignore_errors=True)
    if failures:
        said = "\n".join(failures)
        raise ProblemError(f"codex-fusion could not be installed.\n{said}\n→ {_remedy(said)}, {AGAIN}.")
    raise ProblemError(
        f"codex-fusion needs Python {NEEDED[0]}.{NEEDED[1]} or newer, or uv, and neither was found on PATH "
        f"(the `python3` there is {sys.version.split()[0]}).\n→ Install one of them, {AGAIN}."
    )


def _ways(stage: Path, source: Path) -> Iterator[list[list[str]]]:
    """Each way to make it, as commands that must succeed one after the other."""
    python = _python()
    inside = str(_python_of(stage))
    works = [inside, "-I", "-m", "codex_fusion.cli", "--version"]
    if uv := _which("uv"):
        base = python or ">={}.{}".format(*NEEDED)
        create = [uv, "venv", "--quiet", "--no-project", "--python", base, str(stage)]
        add = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", inside]
        yield [create, [*add, str(source)], works]
    if python:
        pip = [inside, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        yield [[python, "-I", "-m", "venv", str(stage)], [*pip, str(source)], works]


def _python() -> str | None:
    """A Python that is new enough, by its real name: that goes away when the Python does."""
    asks = "import os, sys; print(os.path.realpath(sys.executable) if sys.version_info >= ({}, {}) else '')"
    for python in (sys.executable, *filter(None, map(_which, PYTHONS))):
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [python, "-I", "-c", asks.format(*NEEDED)], capture_output=True, timeout=30, check=False
            )
            if done.returncode == 0 and done.stdout.strip():
                return os.fsdecode(done.stdout.strip())
    return None


def _which(name: str) -> str | None:
    """A command; not by a relative entry of PATH, which may be the workspace's."""
    # Where uv installs itself: a desktop's PATH lacks it.
    found = shutil.which(name) or shutil.which(name, path=str(Path.home() / ".local" / "bin"))
    return found if found and Path(found).is_absolute() else None


def _failure(command: list[str]) -> str | None:
    """Run it; what went wrong, if something did."""
    # A user's own `user = true` for pip has no place in a virtual environment.
    environ = {**os.environ, "PIP_USER": "0"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
    return "\n".join([f"`{' '.join(command)}` ended with {done.returncode}:", *lines[-LAST_LINES:]])


def _remedy(said: str) -> str:
    if "ensurepip" in said:
        return "Install uv, or Python's venv module (on Debian and Ubuntu: the package python3-venv)"
    if "No space left" in said:
        return "Free some disk space (about 100 MB are needed)"
    return "Check the network, and pip's index and proxy settings"


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def _alone(name: Path) -> Iterator[None]:
    """Hold a lock file, where the system has such locks."""
    with name.open("wb") as file:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: Path) -> None:
    for other in folder.parent.glob("server-*"):
        if other != folder and other.stat().st_mtime < time.time() - UNUSED_S:
            shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
