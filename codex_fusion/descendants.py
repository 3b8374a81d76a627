"""The processes below a child that are not in its process group, found in Linux's /proc.

Codex runs a command with a terminal in a session of its own, which a signal to the agent's group does
not reach. Once its parent was killed it belongs to nobody, but for a mark in its environment. Elsewhere
than on Linux nothing is found, and such commands end with their terminal.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Entry:
    """A process; `pid` and `started` together are never used again."""

    pid: int
    parent: int
    group: int
    session: int
    started: int


def parse_stat(text: str) -> Entry | None:
    """The content of a /proc/PID/stat, see proc(5); None if it is none."""
    # The name stands in parentheses, and may itself hold spaces and parentheses.
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(")")[2].split()
    try:
        _state, parent, group, session = fields[:4]
        return Entry(int(pid), int(parent), int(group), int(session), started=int(fields[19]))
    except (ValueError, IndexError):
        return None


def outside_group(
    table: Iterable[Entry], leader: int, earlier: frozenset[Entry] = frozenset()
) -> frozenset[Entry]:
    """Who descends from the leader's group, session or the `earlier` ones, and is not in that group."""
    processes = frozenset(table)
    found = {p for p in processes if leader in (p.pid, p.group, p.session)}
    born = {(p.pid, p.started) for p in earlier}
    found |= {p for p in processes if (p.pid, p.started) in born}
    while True:
        pids = {p.pid for p in found}
        children = {p for p in processes - found if p.parent in pids}
        if not children:
            return frozenset(p for p in found | earlier if p.group != leader)
        found |= children


def read_table(proc: Path = _PROC) -> list[Entry]:
    """Every process that can be seen; none where there is no such /proc."""
    try:
        folders = [folder for folder in proc.iterdir() if folder.name.isdecimal()]
    except OSError:
        return []
    return [entry for folder in folders if (entry := _read(folder)) is not None]


def marked(mark: str, proc: Path = _PROC) -> frozenset[Entry]:
    """Who has `mark` in its environment, whoever its parents are by now; nobody, for an empty mark."""
    found = set()
    for entry in read_table(proc) if mark else ():
        with suppress(OSError):  # it has ended, or is another user's
            if os.fsencode(mark) in (proc / str(entry.pid) / "environ").read_bytes():
                found.add(entry)
    return frozenset(found)


def kill(entries: Iterable[Entry], proc: Path = _PROC) -> None:
    """SIGKILL each that still is the process it was."""
    for entry in entries:
        now = _read(proc / str(entry.pid))
        if now is not None and now.started == entry.started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(entry.pid, signal.SIGKILL)


def _read(folder: Path) -> Entry | None:
    try:
        return parse_stat((folder / "stat").read_text(errors="replace"))
    except OSError:
        return None
