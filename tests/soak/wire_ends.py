"""Both ends of what is fuzzed: the pipes that an agent would write to, and who hears what came of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from codex_fusion import paths, wording
from codex_fusion.events import Asking, Broken, PromptResult, TakenBack
from codex_fusion.frames import LineReader
from codex_fusion.policy import decide, grant
from codex_fusion.transcript import Transcript
from tests.soak.expected import Model, is_plain, only_reads
from tests.support.permission_requests import ALL_FLAGS, NOTHING, inside

if TYPE_CHECKING:
    from random import Random

    from codex_fusion.agent import Agent
    from codex_fusion.events import Incoming

_RESOLVED = 0.05
"""How often the paths of a request are looked up on the disk: that takes longer than all the rest."""


class Found(Exception):  # noqa: N818 (what a fuzzer is for)
    """Something is not as it must be."""


@dataclass
class Out:
    """What it came to."""

    inputs: int = 0
    size: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    allowed: int = 0
    failed: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    """Resident, after each life."""


class Pipes:
    """The other ends of a child's pipes, held by us in its place (Linux)."""

    def __init__(self, pid: int) -> None:
        self._out = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        self._in = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
        self._lines = LineReader()
        self._messages: deque[dict[str, Any]] = deque()

    async def write(self, data: bytes) -> None:
        """As much at once as the pipe takes; returns when it has been read."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._out, rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._out)
        await asyncio.sleep(0)

    async def read(self) -> dict[str, Any]:
        """The next message that was sent to the agent."""
        while not self._messages:
            try:
                data = os.read(self._in, 65536)
            except BlockingIOError:
                await anyio.wait_readable(self._in)
                continue
            self._messages.extend(map(json.loads, self._lines.feed(data)))
        return self._messages.popleft()

    def close(self) -> None:
        for fd in (self._out, self._in):
            anyio.notify_closing(fd)
            os.close(fd)


class Ear:
    """A prompt's sink: hears everything, answers some requests at once, and has each of them judged."""

    def __init__(self, agent: Agent, rng: Random, model: Model, out: Out) -> None:
        self._agent, self._rng, self._model, self._out = agent, rng, model, out
        self._transcript = Transcript()
        self.items: list[Incoming] = []
        self.askings: list[Asking] = []
        self.ended = asyncio.Event()
        self.at_once: set[int] = set()
        self.problem = ""

    def __call__(self, item: Incoming) -> None:
        self.items.append(item)
        try:
            match item:
                case Asking():
                    self._hear(item)
                case PromptResult() | Broken():
                    self.ended.set()
                case TakenBack():
                    pass
                case _:
                    (self._transcript.add(item) or "").encode()
        except Exception as error:  # noqa: BLE001 (told with its input)
            self.problem = self.problem or f"{type(error).__name__}: {error}\n{item!r:.2000}"

    def _hear(self, asking: Asking) -> None:
        self.askings.append(asking)
        if self._rng.random() < 0.3:
            self.at_once.add(len(self.askings) - 1)
            self._agent.answer(asking.key, self._answer(asking))

    def _answer(self, asking: Asking) -> str | None:
        options = asking.request.options
        return self._rng.choice(options).id if options and self._rng.random() < 0.7 else None

    def answer_the_rest(self) -> None:
        for number, asking in enumerate(self.askings):
            if number not in self.at_once:
                self._agent.answer(asking.key, self._answer(asking))

    def judge(self) -> None:
        """No setting lets anything through that is not plain; without one, only reading is."""
        for asking, asked in zip(self.askings, self._model.asked, strict=True):
            request = asking.request
            wording.what(request).encode()
            places = inside(request)
            allowed = [flags for flags in ALL_FLAGS if decide(request, places, flags).allowed]
            if allowed and not (is_plain(asked) and grant(request)):
                raise Found(f"Allowed, though it can't be read: {asked!r:.3000}")
            if NOTHING in allowed and not only_reads(asked):
                raise Found(f"Allowed by itself, though it does not only read: {asked!r:.3000}")
            self._out.allowed += bool(allowed)
            if self._rng.random() < _RESOLVED:
                decide(request, paths.resolve(request, Path("/usr")), ALL_FLAGS[-1])

    def read_all(self) -> None:
        (self._transcript.answer + self._transcript.written).encode()
