"""Our standard error: what fits there is written, and nobody who does not read it can stop the server."""

from __future__ import annotations

import io
import os
import select
import sys

_FD = 2


def take() -> None:
    """Have everything in this process that writes to `sys.stderr` write so."""
    if sys.stderr is None:  # a parent closed it: what is opened next must not get its number
        os.open(os.devnull, os.O_WRONLY)
    sys.stderr = Stderr(_FD)


class Stderr(io.TextIOBase):
    """Text to `fd`; what its reader leaves no room for is lost, and so is all where nobody reads any more."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> int:
        """Write what there is room for."""
        rest = memoryview(text.encode(errors="replace"))
        try:
            while rest and select.select((), (self._fd,), (), 0)[1]:
                rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]
        except OSError:
            pass  # there is nobody left to tell
        return len(text)

    def fileno(self) -> int:
        """For those who write without us."""
        return self._fd

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return os.isatty(self._fd)
