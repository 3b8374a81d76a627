#!/usr/bin/env python3
"""Starts the MCP server of the Claude Code plugin, which comes without its Python dependencies.

The first start has `install_server.py` put the plugin's copy of codex-fusion into a virtual environment, in
the folder that Claude Code keeps for the plugin's data. Every later one just becomes the server: by `exec`,
so that Claude Code's signals reach the server itself.

Claude Code waits 30 seconds for a server, and shows nobody its stderr. So where the installation fails, or
takes longer, this answers as a small MCP server whose only tool says what is wrong and what to do.

It runs under any Python from 3.8 on, and imports little: each start of Claude Code waits for it.
"""
# As in session_reset.py: pathlib is not worth its import.
# ruff: noqa: PTH103, PTH117, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import signal
import sys
import zlib

TYPE_CHECKING = False  # as in session_reset.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SERVE = ("-I", "-m", "codex_fusion.cli", "serve")
"""`-I`: it is started in the workspace, whose modules must not be taken for ours."""
PATIENCE_S = 20.0
"""How long an installation may take before the client is told of it instead."""
UNDER_WAY = "codex-fusion is being installed, which happens once and takes a minute or so."
RECONNECT = "Then reconnect (`/mcp`, choose the server, Reconnect), or start Claude Code again."
INSTALLED = f"codex-fusion is installed now.\n→ {RECONNECT.replace('Then r', 'R')}"


class ProblemError(Exception):
    """Why the server can't be started, and what to do, for a person to read."""


def main() -> None:
    """Become the server, or tell why not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # how Claude Code ends a server: no reason for a traceback
    folder = ""
    try:
        folder = environment_folder(os.environ.get("CLAUDE_PLUGIN_DATA", ""))
        if not is_installed(folder):
            wait_for_installation(folder)
    except (ProblemError, OSError) as error:
        said = str(error)
        complain(said)
        tell(lambda: INSTALLED if folder and is_installed(folder) else said)
        return
    become_server(folder)


def environment_folder(data: str) -> str:
    """Name the virtual environment for exactly this code: an update of the plugin gets another one."""
    if not os.path.isabs(data):
        raise ProblemError("CLAUDE_PLUGIN_DATA names no folder.\n→ Install this as a plugin of Claude Code.")
    digest = 0
    for name in _sources():
        with open(os.path.join(ROOT, name), "rb") as file:
            digest = zlib.crc32(file.read(), zlib.crc32(os.fsencode(name), digest))
    return os.path.join(data, f"server-{digest:08x}")


def _sources() -> Iterator[str]:
    yield "pyproject.toml"
    for folder, folders, files in os.walk(os.path.join(ROOT, "codex_fusion")):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (os.path.relpath(os.path.join(folder, name), ROOT) for name in sorted(files))


def _python(folder: str) -> str:
    return os.path.join(folder, "Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed(folder: str) -> bool:
    """Whether all is there, also the Python that it was made with: a system's upgrade may take that away."""
    return os.access(_python(folder), os.X_OK)


def wait_for_installation(folder: str) -> None:
    """Have it installed, and wait as long as the client can be let wait.

    The installation is a process of its own: it goes on where the client, or our patience, gives up.
    """
    import subprocess
    import tempfile

    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-I", os.path.join(ROOT, "hooks", "install_server.py"), ROOT, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd=os.path.dirname(folder),
            start_new_session=True,
        )
        try:
            code = child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise ProblemError(f"{UNDER_WAY}\n→ {RECONNECT}") from None
        if code != 0 or not is_installed(folder):
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            raise ProblemError(
                said or f"codex-fusion was not installed: install_server.py ended with {code}."
            )


def become_server(folder: str) -> None:
    """Run the server in the place of this."""
    command = [_python(folder), *SERVE]
    if os.name == "nt":  # exec makes a new process there, and our end would be the server's for the client
        import subprocess

        sys.exit(subprocess.call(command))
    try:  # noqa: SIM105 - contextlib is not free
        os.utime(folder)  # in use: install_server.py removes what was not for long
    except OSError:
        pass
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def complain(text: str) -> None:
    """Tell Claude Code's log."""
    try:  # noqa: SIM105 - as above
        os.write(2, f"codex-fusion: {text}\n".encode(errors="backslashreplace"))
    except OSError:
        pass


def tell(notice: Callable[[], str]) -> None:
    """Serve MCP on stdin and stdout, as far as it takes to say one thing."""
    import json

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
    method, result = request["method"], _result(request, notice)
    if result is None:
        return {"error": {"code": -32601, "message": f"{method}: {notice}"}}
    return {"result": result}


def _result(request: dict[str, Any], notice: str) -> dict[str, Any] | None:
    method = request["method"]
    if method == "initialize":
        return {
            "protocolVersion": (request.get("params") or {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "codex-fusion", "version": "0"},
            "instructions": f"codex-fusion is not available. Tell the user:\n{notice}",
        }
    if method == "tools/list":
        tool = {
            "name": "status",
            "description": f"Says why codex-fusion is not available: {notice}",
            "inputSchema": {"type": "object", "properties": {}},
            "annotations": {"readOnlyHint": True},
        }
        return {"tools": [tool]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"✗ {notice}"}], "isError": True}
    return {} if method == "ping" else None


if __name__ == "__main__":
    main()
