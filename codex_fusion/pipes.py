"""Our ends of a child's pipes: plain file descriptors that wait in the event loop, and close at once.

asyncio's own pipes won't do. A writer whose reader is stuck keeps its descriptor until its buffer is
flushed, which may be never; and a reader can't be told "take what is there, and then stop".
"""

from __future__ import annotations

import os
from contextlib import suppress

import anyio

_CHUNK = 65536  # what a pipe holds on Linux
_CLOSED = -1


class _End:
    """One end of a pipe; it owns `fd`, and is used inside the event loop only."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def close(self) -> None:
        """Close it, and wake whoever waits for it. May be called twice."""
        if self._fd != _CLOSED:
            # The loop must forget the descriptor before its number goes to the next pipe.
            anyio.notify_closing(self._fd)
            os.close(self._fd)
            self._fd = _CLOSED


class ReadEnd(_End):
    """The end that a child's output comes out of."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._finishing = False

    async def receive(self) -> bytes:
        """The next bytes; b"" when nothing more can come. A cancelled call loses nothing."""
        while True:
            # A child that floods must not keep the loop to itself.
            await anyio.lowlevel.checkpoint()
            data = self.receive_nowait()
            if data is not None:
                return data
            if self._finishing:
                return b""
            with suppress(anyio.ClosedResourceError):  # woken by `finish` or `close`
                await anyio.wait_readable(self._fd)

    def receive_nowait(self) -> bytes | None:
        """What is there now, at most one pipe full; b"" at the end, None if there is nothing yet."""
        if self._fd == _CLOSED:
            return b""
        try:
            return os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return None

    def finish(self) -> None:
        """What is in the pipe can still be received; nobody waits for more, whoever holds the other end."""
        self._finishing = True
        if self._fd != _CLOSED:
            anyio.notify_closing(self._fd)


class WriteEnd(_End):
    """The end that a child's input goes into."""

    async def send(self, data: bytes) -> None:
        """Write all of it.

        :raises OSError: if nobody reads any more
        :raises anyio.ClosedResourceError: if it was closed meanwhile
        """
        rest = memoryview(data)
        while rest:
            if self._fd == _CLOSED:
                raise anyio.ClosedResourceError
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._fd)

    async def abandoned(self) -> None:
        """Return when the last reader has closed its end, or we have closed ours."""
        if self._fd != _CLOSED:
            with suppress(anyio.ClosedResourceError):
                # A writing end is never readable: what wakes this is the hang-up.
                await anyio.wait_readable(self._fd)
