"""Which `/clear` is ours: one project can be open in several windows of the client, each with a server.

The hook writes a nonce for its window, which is the client's process (`CLAUDE_PID`, Claude Code 2.1), and one
for the project, with that process's id behind it. A server finds its own window among its ancestors, also
behind a launcher. Where that can't be told, every `/clear` in the project is taken for ours.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import descendants, nonce

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH = 32
"""Ancestors that are looked at: more than any chain of launchers has."""
PS_LIMIT_S = 5.0
KEPT_S = 30 * 24 * 3600.0
"""Seconds after which a window's nonce goes: no server has waited so long to read it."""


class Clears:
    """The nonces that concern this server. `read` gives one value, which changes when one of them does."""

    def __init__(self, path: str, look: Callable[[int], tuple[int, str] | None] | None = None) -> None:
        self._path = path
        self._look = look or look_at
        self._ancestors = ancestors(os.getppid(), self._look)
        self._seen: dict[str, str] = {}
        _remove_old(path)
        self.read()

    def read(self) -> str | None:
        """What was last written for our window, or for a window that could be ours; None: nothing yet."""
        for pid in self._ancestors:
            self._take(nonce.window_path(self._path, pid))
        shared = nonce.read(self._path)
        if shared is not None and not self._is_of_another_window(shared):
            self._seen[self._path] = shared
        return "\n".join(self._seen[key] for key in sorted(self._seen)) or None

    def _take(self, path: str) -> None:
        value = nonce.read(path)
        if value is not None:
            self._seen[path] = value

    def _is_of_another_window(self, value: str) -> bool:
        window = value.rpartition(" ")[2]
        if not window.isdecimal():
            return False
        if int(window) in self._ancestors:
            return True  # ours: its own file has told already
        other = self._look(int(window))
        # A program of the same name above us is our window, so that one is not.
        return other is not None and other[1] in self._ancestors.values()


def _remove_old(path: str) -> None:
    """Windows come and go; each that was cleared leaves a file."""
    nonces = Path(path)
    for file in nonces.parent.glob(f"{nonces.name}-window-*"):
        with suppress(OSError):  # another server was faster
            if time.time() - file.stat().st_mtime > KEPT_S:
                file.unlink()


def ancestors(pid: int, look: Callable[[int], tuple[int, str] | None]) -> dict[int, str]:
    """The process, its parent and so on, each with its program's name."""
    found: dict[int, str] = {}
    while pid > 1 and pid not in found and len(found) < DEPTH and (seen := look(pid)) is not None:
        parent, found[pid] = seen
        pid = parent
    return found


def look_at(pid: int) -> tuple[int, str] | None:
    """A process's parent and program; None if it is not there, or can't be told."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return _ask_ps(pid)
    entry = descendants.parse_stat(text)
    return None if entry is None else (entry.parent, text.partition("(")[2].rpartition(")")[0])


def _ask_ps(pid: int) -> tuple[int, str] | None:
    """Where there is no /proc (macOS)."""
    try:
        done = subprocess.run(
            ["ps", "-o", "ppid=,comm=", "-p", str(pid)],  # noqa: S607 POSIX's, wherever the system has it
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PS_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    parent, _, name = done.stdout.strip().partition(" ")
    return (int(parent), name.strip()) if parent.isdecimal() and name.strip() else None
