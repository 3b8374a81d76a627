"""Our standard input as lines, read in the event loop.

mcp 2.3 reads it in a thread, and nothing cancels a thread that waits for input: a server whose client
reads no more, but keeps our input open, would never end.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from codex_fusion.frames import LineReader

if TYPE_CHECKING:
    from typing import Self

_CHUNK = 65536


def take() -> Lines:
    """Take the descriptor 0 away from everybody else: our children read the null device there."""
    fd = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return Lines(fd)


class Lines:
    """The lines of `fd`, without their ends; what is no UTF-8 in them is replaced. It owns `fd`.

    The descriptor stays a blocking one: that is a property of what it leads to, a terminal's output too.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # As long as they come: a client that sends too much in one argument is told which one.
        self._reader = LineReader(sys.maxsize)
        self._lines: deque[bytes] = deque()
        self.ended = anyio.Event()
        """No more comes."""

    def __aiter__(self) -> Self:
        """Over the lines, until the end of the input; an unfinished last line is none."""
        return self

    async def __anext__(self) -> str:
        """The next line."""
        while not self._lines:
            with suppress(PermissionError):  # a file: there is nothing to wait for, says epoll
                await anyio.wait_readable(self._fd)
            data = os.read(self._fd, _CHUNK)
            if not data:
                self.ended.set()
                raise StopAsyncIteration
            self._lines.extend(self._reader.feed(data))
        return self._lines.popleft().decode(errors="replace")
