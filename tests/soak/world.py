"""A codex-fusion with a rogue agent, and Claude's part in it: for the core alone and a whole server."""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from tests.support.rogue import Rogue

SO_FAR = "Words before the fault."
REST = "Words after it."
GATE = "point"
"""Where the agent waits while a fault is brought about."""
NO_TURN = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to, as Claude sees it."""

    text: str
    is_error: bool
    turn: dict[str, Any]
    """The `_meta` of its turn; empty where the call came to none."""

    @property
    def status(self) -> str:
        """Of the turn."""
        return str(self.turn.get("status", NO_TURN))

    @property
    def requests(self) -> list[str]:
        """The requests that are open."""
        return [request["id"] for request in self.turn.get("requests", ())]


@dataclass(eq=False)
class Call:
    """A call under way. Cancelled, it never has an answer."""

    tool: str
    done: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None
    cancelled: bool = False

    async def wait(self) -> Answer:
        """Its answer; every wait is bounded by the scenario's limit."""
        await self.done.wait()
        assert self.answer is not None, f"{self.tool} was cancelled"
        return self.answer


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, and how long it may take at most. The campaign judges it; a test does not."""

    what: str
    seconds: float
    limit_s: float


class World(ABC):
    """What a scenario plays in."""

    def __init__(self, rogue: Rogue, rng: Random, folder: Path) -> None:
        self.rogue = rogue
        self.rng = rng
        self.log = folder / "turns.jsonl"
        self.outstanding: Call | None = None
        """The call that the turn at the point was left with."""
        self.queued: Call | None = None
        """Another one, that was made meanwhile."""
        self.took: list[Took] = []

    @abstractmethod
    def begin(self, tool: str, **arguments: object) -> Call:
        """Make a call without waiting."""

    @abstractmethod
    def cancel(self, call: Call) -> None:
        """As a client does. A call that is done is left as it is."""

    async def call(self, tool: str, **arguments: object) -> Answer:
        """Make a call, and wait for its answer."""
        return await self.begin(tool, **arguments).wait()

    @contextmanager
    def timed(self, what: str, limit_s: float) -> Iterator[None]:
        """Measure what runs inside."""
        began = time.monotonic()
        yield
        self.took.append(Took(what, time.monotonic() - began, limit_s))

    async def jitter(self) -> None:
        """Let others go on for a random moment."""
        for _ in range(self.rng.randrange(40)):
            await anyio.lowlevel.checkpoint()

    async def at_gate(self) -> None:
        """Until the agent waits at the gate."""
        await self.rogue.happens("doing", do="gate", name=GATE)

    def agent(self) -> list[int]:
        """The processes of the agent's that were started so far, the wrapper among them."""
        return [record["pid"] for record in (*self.rogue.log("wrapper"), *self.rogue.log("start"))]

    async def gone(self, pids: list[int]) -> None:
        """Until none of them runs: an agent hangs up a moment before it is gone."""
        for pid in pids:
            with suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                try:
                    await anyio.wait_readable(fd)
                finally:
                    anyio.notify_closing(fd)
                    os.close(fd)

    async def status(self, *, says: str = "", gone: bool = False) -> str:
        """What `status` says. `gone`: the agent is, so it claims neither that it runs, nor that it waits."""
        answer = await self.call("status")
        assert not answer.is_error, answer.text
        assert says in answer.text, answer.text
        if gone:
            assert "agent: running" not in answer.text, f"There is no agent:\n{answer.text}"
            assert "waits for `permit`" not in answer.text, f"Nobody waits:\n{answer.text}"
        return answer.text

    def check_turns(self) -> int:
        """Each turn has one record, so one outcome. Returns how many there were."""
        lines = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
        numbers = sorted(json.loads(line)["turn"] for line in lines)
        assert numbers == list(range(1, len(numbers) + 1)), f"Turns on record: {numbers}"
        return len(numbers)
