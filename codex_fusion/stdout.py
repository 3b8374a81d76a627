"""Our standard output, written in the event loop.

mcp 2.3 writes it in a thread, and nothing cancels a thread that waits for a reader: a server whose client
hung up, and left what it was sent in the pipe, would never end.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress

import anyio


def take() -> Output:
    """Take the descriptor 1 away from everybody else: what they write there goes to stderr."""
    fd = os.dup(1)
    os.dup2(2, 1)
    return Output(fd)


class Output:
    """Writes text to `fd`, which it owns.

    The descriptor stays a blocking one: that is a property of what it leads to, a terminal's input too.
    So no more is written at once than what has room where poll says that something has.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def write(self, text: str) -> int:
        """Write all of it, as fast as it is read; cancelled, it may have written a part.

        :raises BrokenPipeError: if nobody reads any more
        """
        rest = memoryview(text.encode())
        while rest:
            with suppress(PermissionError):  # a file: there is nothing to wait for, says epoll
                await anyio.wait_writable(self._fd)
            rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]
        return len(text)

    async def flush(self) -> None:
        """Nothing is held back."""
