"""`agent.Agent` over the rogue agent: started, heard, and gone without a trace."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from codex_fusion.agent import Agent
from codex_fusion.errors import AgentError
from codex_fusion.events import Asking, Broken, PromptResult, TakenBack, Text
from codex_fusion.process import spawn
from tests.support.fake_agent import Changes
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from codex_fusion.events import Incoming
    from tests.support.rogue import Rogue


@dataclass
class Heard:
    """A sink, and what came to it."""

    items: list[Incoming] = field(default_factory=list)
    asked: list[Asking] = field(default_factory=list)
    taken_back: list[int] = field(default_factory=list)
    ends: list[PromptResult | Broken] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)

    def __call__(self, item: Incoming) -> None:
        self.items.append(item)
        match item:
            case Asking():
                self.asked.append(item)
            case TakenBack(key):
                self.taken_back.append(key)
            case PromptResult() | Broken():
                self.ends.append(item)
        self.changes.tell()

    @property
    def text(self) -> str:
        return "".join(item.text for item in self.items if isinstance(item, Text))

    async def requests(self, count: int) -> list[Asking]:
        await self.changes.until(lambda: len(self.asked) >= count)
        return self.asked

    async def end(self) -> PromptResult | Broken:
        """How the prompt ended; it is the last that is heard."""
        await self.changes.until(lambda: bool(self.ends))
        assert self.items[-1] == self.ends[0]
        return self.ends[0]

    async def error(self) -> AgentError:
        end = await self.end()
        assert isinstance(end, Broken), end
        return end.error


def traces() -> tuple[set[str], set[str]]:
    """The tasks, and the open files, of this process."""
    files = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}  # noqa: PTH115, PTH208
    return {task.get_name() for task in asyncio.all_tasks()}, files


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")  # the listing's own is closed by then


class _Log(logging.Handler):
    """The acp library logs what it takes for a fault; on a server's stderr that is noise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@asynccontextmanager
async def started(rogue: Rogue) -> AsyncIterator[Agent]:
    """The agent, after its handshake; at the end it is killed, and nothing of it is left, or was logged."""
    before, log = traces(), _Log()
    logging.getLogger().addHandler(log)
    error: AgentError | None = None
    try:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                child = await spawn(tasks, rogue.argv, {"PATH": os.environ["PATH"]}, Path("/"))
                try:
                    agent = await Agent.start(child)
                    try:
                        yield agent
                    finally:
                        await agent.kill()
                except AgentError as caught:
                    error = caught  # raised below: out of the group it would come wrapped
                    await child.kill()
            await rogue.is_gone()
            await anyio.lowlevel.checkpoint()
    finally:
        logging.getLogger().removeHandler(log)
    assert traces() == before
    assert log.lines == []
    if error is not None:
        raise error


@dataclass
class Talk:
    """An agent with an open session."""

    agent: Agent
    session: str

    def prompt(self, text: str = "hello") -> Heard:
        heard = Heard()
        self.agent.prompt(self.session, text, heard)
        return heard

    def allow(self, asking: Asking) -> None:
        self.agent.answer(asking.key, asking.request.options[0].id)


@asynccontextmanager
async def talking(rogue: Rogue) -> AsyncIterator[Talk]:
    """The same, with a session."""
    async with started(rogue) as agent:
        report = await agent.open_session("/")
        assert report.session_id is not None
        yield Talk(agent, report.session_id)
