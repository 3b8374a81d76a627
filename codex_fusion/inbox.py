"""What one turn hears, in order: from the agent, from the opener, and from whoever decides or cancels."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from codex_fusion import turn as machine
from codex_fusion.events import Incoming

if TYPE_CHECKING:
    from codex_fusion.conversation import Conversation
    from codex_fusion.outcome import Decider, OpenRequest


@dataclass(frozen=True, slots=True)
class Decide:
    """Somebody decided a request that was open then."""

    request: OpenRequest
    allow: bool
    note: str | None
    by: Decider


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is there."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class NotOpened:
    """There is no session to be had."""

    error: Exception


Item = Incoming | Decide | Opened | NotOpened | machine.Cancel


class Inbox:
    """Of one turn alone. Whoever puts something in never waits; nothing that was put in is lost."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._news = anyio.Event()
        self._open = True

    def put(self, item: Item) -> bool:
        """Whether it will be read: not any more once the turn is over."""
        if self._open:
            self._items.append(item)
            self._news.set()
        return self._open

    async def take(self, within_s: float) -> Item | None:
        """The next item; None if there is none in that time."""
        await anyio.lowlevel.checkpoint()  # a flood must not keep everybody else from running
        if not self._items:
            self._news = anyio.Event()
            with anyio.move_on_after(within_s):
                await self._news.wait()
        return self._items.popleft() if self._items else None

    def close(self) -> list[Item]:
        """Take nothing any more; what was not read."""
        self._open = False
        return list(self._items)
