"""Kills a child's group when we are gone: a shell that waits on a pipe which only we hold open."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio.abc import Process

_REAP_S = 0.4
_SCRIPT = """
read -r _ && exit
kill -s KILL -- "-$1"
[ -n "$2" ] || exit
for file in $(grep -lsaF -e "$2" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    kill -s KILL "${pid%/environ}"
done
case $2 in */codex-fusion-*/scratch) rm -rf -- "${2%/scratch}" ;; esac
"""
"""Of its group, and the mark of those that left it (Linux; elsewhere there is no such file).

A mark that names the agent's scratch folder tells what else is left of it.
"""


class Watchdog:
    """Of one group. Until it is armed, and where it can't be, nothing kills."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._fd: int | None = None

    async def start(self, group: int, mark: str) -> None:
        """Arm it; `mark` as in `process.spawn`. Without a shell or a descriptor, we go on without."""
        with suppress(OSError):
            # Nobody inherits our end: it closes when we die, and then the shell sees the end of file.
            theirs, ours = os.pipe()
            try:
                with anyio.CancelScope(shield=True):  # as in `spawn`
                    self._process = await anyio.open_process(
                        ("/bin/sh", "-c", _SCRIPT, "codex-fusion-watchdog", str(group), mark),
                        stdin=theirs,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env={},
                        cwd="/",
                        start_new_session=True,
                    )
            except BaseException:
                os.close(ours)
                raise
            finally:
                os.close(theirs)
            self._fd = ours

    def disarm(self) -> None:
        """Let it end without killing: the group's id may soon be another's."""
        if self._fd is not None:
            with suppress(OSError):
                os.write(self._fd, b"\n")
            os.close(self._fd)
            self._fd = None

    async def stop(self) -> None:
        """Disarm it, and see it end."""
        self.disarm()
        if self._process is not None:
            with anyio.move_on_after(_REAP_S):
                await self._process.wait()
