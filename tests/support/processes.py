"""Which processes a test's programs have left: those that carry its folder in their environment (Linux)."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

_TURN_S = 0.02
"""Nothing tells of a stranger's end: /proc is looked at this often."""


def of(folder: Path) -> dict[int, str]:
    """The command lines, by process id, of all that have `folder` in their environment."""
    mark = os.fsencode(folder)
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if mark in (entry / "environ").read_bytes():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = b" ".join(words).decode(errors="replace").strip()
        except OSError:
            continue  # it has ended, or is another user's
    return found


def until(folder: Path, ready: Callable[[dict[int, str]], bool]) -> None:
    """Wait until the processes of `folder` are so."""
    deadline = time.monotonic() + LIMIT_S
    while not ready(now := of(folder)):
        assert time.monotonic() < deadline, now
        threading.Event().wait(_TURN_S)
