"""How a call's progress is paced and numbered. Intervals are of the test's own: nothing here takes long."""

from __future__ import annotations

import anyio
import pytest

from codex_fusion.progress import Progress
from codex_fusion.reporter import Reporter
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

NEVER_S = 1e6


class Client:
    """Takes progress; one that is `slow` takes a message only when it is told to."""

    def __init__(self, *, slow: bool = False) -> None:
        self.messages: list[str] = []
        self.counters: list[int] = []
        self._slow = slow
        self._news = anyio.Event()
        self._takes = anyio.Event()

    async def send(self, count: int, message: str) -> None:
        self.counters.append(count)
        self.messages.append(message)
        self._news.set()
        self._news = anyio.Event()
        if self._slow:
            await self._takes.wait()
            self._takes = anyio.Event()

    def take(self) -> None:
        self._takes.set()

    async def got(self, count: int) -> None:
        with anyio.fail_after(LIMIT_S):
            while len(self.messages) < count:
                await self._news.wait()


def reporter(client: Client, *, min_interval_s: float = 0.0, heartbeat_s: float = NEVER_S) -> Reporter:
    progress = Progress(anyio.current_time(), min_interval_s=min_interval_s, heartbeat_s=heartbeat_s)
    return Reporter(client.send, progress)


async def test_what_happens_is_told_at_once_where_it_is_quiet() -> None:
    client = Client()
    shown = reporter(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        for number in range(1, 4):
            shown.show(f"↳ step {number}", "stepping")
            await client.got(number)
        shown.finish()
    assert client.messages == ["↳ step 1", "↳ step 2", "↳ step 3"]
    assert client.counters == [1, 2, 3]


async def test_silence_is_told_over_and_over_with_what_was_last_seen() -> None:
    client = Client()
    shown = reporter(client, heartbeat_s=0.001)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.show("text", "writing")
        await client.got(4)
        shown.finish()
    assert client.messages[0] == "text"
    assert all(message.endswith("silent · last: writing") for message in client.messages[1:])
    assert client.counters == list(range(1, len(client.counters) + 1))


async def test_a_burst_is_one_message_and_its_last_state_is_told() -> None:
    client = Client()
    shown = reporter(client, min_interval_s=NEVER_S)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.show("↳ first", "starting")
        await client.got(1)
        for number in range(1_000):
            shown.show(f"so far {number}", "writing")
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
        shown.finish()
    assert client.messages == ["↳ first", "so far 999"]


async def test_the_last_state_is_told_after_a_message_that_is_still_on_its_way() -> None:
    client = Client(slow=True)
    shown = reporter(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.show("↳ first", "starting")
        await client.got(1)
        shown.show("the last state", "writing")
        shown.finish()
        client.take()
        await client.got(2)
        client.take()
    assert client.messages == ["↳ first", "the last state"]


async def test_nothing_is_told_of_a_call_in_which_nothing_happened() -> None:
    client = Client()
    shown = reporter(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.finish()
    assert client.messages == []


async def test_a_cancelled_call_tells_no_more() -> None:
    client = Client()
    shown = reporter(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shown.run)
        shown.show("↳ first", "starting")
        await client.got(1)
        tasks.cancel_scope.cancel()
        shown.show("↳ second", "starting")
    assert client.messages == ["↳ first"]
