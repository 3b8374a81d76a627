"""Shows one call's progress to whoever made it: sends each line when it is due, coalesced, and numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from codex_fusion.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Send = Callable[[int, str], Awaitable[None]]


class Reporter:
    """The viewer of one call. `send` gets a counter that rises, and a message."""

    def __init__(self, send: Send, progress: Progress | None = None) -> None:
        self._send = send
        self._progress = progress or Progress(anyio.current_time())
        self._news = anyio.Event()
        self._finished = False
        self._count = 0

    def show(self, line: str, doing: str) -> None:
        """Take a line; it goes out when it is due."""
        if not self._progress.waiting:
            self._news.set()
        self._progress.show(line, anyio.current_time())
        self._progress.doing = doing

    def finish(self) -> None:
        """Nothing more comes: `run` sends what was not sent yet, and returns."""
        self._finished = True
        self._news.set()

    async def run(self) -> None:
        """Send what is due until `finish`; the last state is always sent."""
        while not self._finished:
            with anyio.move_on_after(self._progress.due - anyio.current_time()):
                await self._news.wait()
                self._news = anyio.Event()
            await self._tell(self._progress.take(anyio.current_time()))
        await self._tell(self._progress.take(anyio.current_time(), final=True))

    async def _tell(self, message: str | None) -> None:
        if message is not None:
            self._count += 1
            await self._send(self._count, message)
