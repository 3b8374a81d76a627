#!/usr/bin/env python3
"""Starts the MCP server of the Claude Code plugin, which comes without its Python dependencies.

The first start installs the plugin's copy of codex-fusion into a virtual environment of its own, in the folder
that Claude Code keeps for the plugin's data: by uv where there is one, else by `venv` and pip. The later ones
just become the server. It becomes it, by `exec`, so that Claude Code's signals reach the server itself.

Claude Code waits some 30 seconds for a server and shows nobody its stderr. So where the installation fails, or
takes longer, this answers as a small MCP server whose only tool says what is wrong and what to do.

It runs under any Python from 3.8 on; what it installs needs 3.11.
"""
# Like session_reset.py it can't know that pathlib is worth its import.
# ruff: noqa: PTH

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib

TYPE_CHECKING = False  # as in session_reset.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SERVE = ("-I", "-m", "codex_fusion.cli")
"""`-I`: the server is started in the workspace, whose modules must not be taken for ours."""

NEEDED = (3, 11)
PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python")
PATIENCE_S = 20.0
"""How long the client is let wait for an installation before it is told of it."""
INSTALL_LIMIT_S = 900.0
UNUSED_S = 30 * 86_400.0
"""When an older version's environment goes: no server that still runs can have been started before that."""


class ProblemError(Exception):
    """Why the server can't be started, and what to do, for a person to read."""


def main(arguments: list[str]) -> int:
    """Become the server, or tell why not. `--install FOLDER` is what this runs of itself."""
    if arguments[:1] == ["--install"]:
        try:
            install(arguments[1])
        except ProblemError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return 0
    try:
        folder = environment_folder(os.environ.get("CLAUDE_PLUGIN_DATA", ""))
        if not is_installed(folder):
            wait_for_installation(folder)
    except ProblemError as error:
        said = str(error)
        sys.stderr.write(f"codex-fusion: {said}\n")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        tell(lambda: _installed_meanwhile() if is_installed(folder) else said)
        return 0
    command = [python_of(folder), *SERVE, *arguments]
    if os.name == "nt":  # exec there is a new process, and the old one's end is the end for the client
        return subprocess.call(command)
    os.utime(folder)  # it is in use: see UNUSED_S
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def environment_folder(data: str) -> str:
    """Name the virtual environment of exactly this code: another version gets another one."""
    if not os.path.isabs(data):
        raise ProblemError("CLAUDE_PLUGIN_DATA names no folder: this is started by Claude Code, for its plugin.")
    digest = 0
    for name in _sources():
        with open(os.path.join(ROOT, name), "rb") as file:
            digest = zlib.crc32(file.read(), zlib.crc32(name.encode(), digest))
    return os.path.join(data, f"server-{digest:08x}")


def _sources() -> Iterator[str]:
    yield "pyproject.toml"
    for folder, folders, files in os.walk(os.path.join(ROOT, "codex_fusion")):
        folders.sort()
        yield from (os.path.relpath(os.path.join(folder, n), ROOT) for n in sorted(files) if n.endswith(".py"))


def python_of(folder: str) -> str:
    """Return the interpreter of a virtual environment."""
    return os.path.join(folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def is_installed(folder: str) -> bool:
    """Whether all is there, the Python that it was made with included (an upgrade of the system takes it away)."""
    return os.access(python_of(folder), os.X_OK)


def wait_for_installation(folder: str) -> None:
    """Install into `folder`, and wait for it as long as the client can be let wait.

    The installation is a process of its own: it goes on if the client gives up and ends this one.
    """
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-I", os.path.realpath(__file__), "--install", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=os.path.dirname(folder),
            start_new_session=True,
        )
        try:
            code = child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.returncode = 0  # it is left to itself on purpose
            raise ProblemError(
                "codex-fusion is being installed, which happens once and takes a minute or so.\n"
                "→ Then reconnect: /mcp, choose the server, Reconnect (or start Claude Code again)."
            ) from None
        if code != 0:
            said.seek(0)
            raise ProblemError(said.read().decode(errors="replace").strip() or f"The installation ended with {code}.")


def _installed_meanwhile() -> str:
    return "codex-fusion is installed now.\n→ Reconnect: /mcp, choose the server, Reconnect (or start Claude Code again)."


def install(folder: str) -> None:
    """Make the virtual environment: all of it or nothing, and once where several windows want it."""
    with _alone(f"{folder}.lock"):
        if is_installed(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=os.path.dirname(folder)) as scratch:
            stage = os.path.join(scratch, "server")
            _fill(stage)
            os.rename(stage, folder)  # we only ever run its interpreter, which bears being moved
        _remove_unused(folder)


def _fill(stage: str) -> None:
    failures = []
    for commands in _ways(stage):
        shutil.rmtree(stage, ignore_errors=True)
        failure = next(filter(None, map(_run, [*commands, (python_of(stage), *SERVE, "--version")])), None)
        if failure is None:
            return
        failures.append(failure)
    if failures:
        raise ProblemError("codex-fusion could not be installed.\n" + "\n".join(failures) + f"\n→ {_remedy(failures)}")
    raise ProblemError(
        f"codex-fusion needs Python {NEEDED[0]}.{NEEDED[1]} or newer, or uv, and neither was found on PATH"
        f" (`python3` is {sys.version.split()[0]}).\n→ Install one of them, then start Claude Code again."
    )


def _ways(stage: str) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield the ways to make it, each as the commands to run; the next is for when one fails."""
    python = _python()
    if uv := _which("uv"):
        pip = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python_of(stage), ROOT)
        yield ((uv, "venv", "--quiet", "--no-project", "--python", python or ">={}.{}".format(*NEEDED), stage), pip)
    if python:
        pip = (python_of(stage), "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")
        yield ((python, "-I", "-m", "venv", stage), (*pip, ROOT))


def _python() -> str | None:
    """Find a Python that is new enough; its real name, which goes away with it."""
    asks = "import os, sys; print(os.path.realpath(sys.executable) if sys.version_info >= ({}, {}) else '')"
    for python in (sys.executable, *filter(None, map(_which, PYTHONS))):
        try:
            done = subprocess.run(
                [python, "-I", "-c", asks.format(*NEEDED)], capture_output=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.strip():
            return os.fsdecode(done.stdout.strip())
    return None


def _which(name: str) -> str | None:
    """Find a command; not by a relative entry of PATH, which may be the workspace's."""
    own = os.path.join(os.path.expanduser("~"), ".local", "bin")  # where uv installs itself; a desktop's PATH lacks it
    found = shutil.which(name) or shutil.which(name, path=own)
    return found if found and os.path.isabs(found) else None


def _run(command: tuple[str, ...]) -> str | None:
    """Run it; say what went wrong, if it did."""
    # PIP_USER: no virtual environment can be installed into with it.
    environ = {**os.environ, "PIP_USER": "0"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
    return f"{' '.join(command)} ended with {done.returncode}:\n" + "\n".join(lines[-8:])


def _remedy(failures: list[str]) -> str:
    if any("ensurepip" in failure for failure in failures):
        return "Install Python's venv module (on Debian and Ubuntu: python3-venv) or uv, then start Claude Code again."
    return "Check the network and the disk, then start Claude Code again: it is tried anew at each start."


class _alone:  # noqa: N801 - a context manager, used like a function
    """Hold a lock file, where the system has such locks; elsewhere the last one to rename wins."""

    def __init__(self, name: str) -> None:
        self._file = open(name, "wb")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _remove_unused(folder: str) -> None:
    data = os.path.dirname(folder)
    for name in os.listdir(data):
        other = os.path.join(data, name)
        if name.startswith("server-") and other != folder and os.stat(other).st_mtime < time.time() - UNUSED_S:
            if os.path.isdir(other):
                shutil.rmtree(other, ignore_errors=True)
            elif not other.startswith(folder):
                os.unlink(other)


def tell(notice: Callable[[], str]) -> None:
    """Serve MCP on stdin and stdout, as far as it takes to say one thing."""
    for line in sys.stdin.buffer:
        try:
            request = json.loads(line)
        except ValueError:
            continue
        if isinstance(request, dict) and "method" in request and "id" in request:
            reply = {"jsonrpc": "2.0", "id": request["id"], **_answer(request, notice())}
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()


def _answer(request: dict[str, Any], notice: str) -> dict[str, Any]:
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        about = {"name": "codex-fusion", "version": "0"}
        result = {"protocolVersion": params.get("protocolVersion"), "capabilities": {"tools": {}}, "serverInfo": about}
        return {"result": {**result, "instructions": f"codex-fusion is not available. Tell the user:\n{notice}"}}
    if method == "tools/list":
        schema = {"type": "object", "properties": {}}
        described = f"Says why codex-fusion is not available: {notice}"
        tool = {"name": "status", "description": described, "inputSchema": schema}
        return {"result": {"tools": [{**tool, "annotations": {"readOnlyHint": True}}]}}
    if method == "tools/call":
        return {"result": {"content": [{"type": "text", "text": f"✗ {notice}"}], "isError": True}}
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": f"{method}: {notice}"}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
