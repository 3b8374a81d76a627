"""The core in this process: everything but the MCP face, on a clock that can jump."""

from __future__ import annotations

import asyncio
import io
import os
import re
import tempfile
import time
from contextlib import asynccontextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import anyio

from codex_fusion.config import Config, Confinement
from codex_fusion.conversation import NOBODY
from codex_fusion.workplace import Workplace
from tests.soak.world import Answer, Call, World
from tests.support.rogue import Rogue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

    from anyio.abc import TaskGroup

    from codex_fusion.service import Reply

TURN_ENDS_S = 0.1
LIMIT_S = 300.0
"""Of a turn: nothing here takes nearly as long, so whoever reaches it was left hanging."""


class Clock(asyncio.SelectorEventLoop):
    """An event loop for which an hour may pass in no time, as when the machine slept."""

    passed_s = 0.0

    def time(self) -> float:
        """As the real one, and what was slept."""
        return time.monotonic() + self.passed_s


def jump(seconds: float) -> None:
    """That much time has passed."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    loop.passed_s += seconds


class Inside(World):
    """A workplace, and calls to its service."""

    def __init__(self, rogue: Rogue, rng: Random, folder: Path, tasks: TaskGroup) -> None:
        super().__init__(rogue, rng, folder)
        self._tasks = tasks
        self._scopes: dict[Call, anyio.CancelScope] = {}
        workspace, home = folder / "workspace", folder / "home"
        workspace.mkdir()
        home.mkdir()
        config = Config(
            workspace=workspace,
            acp_command=rogue.argv,
            confinement=Confinement.AGENT,
            log=self.log,
            turn_timeout_s=LIMIT_S,
        )
        environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(home)}
        self.workplace = Workplace(config, environ, tasks)

    def begin(self, tool: str, **arguments: object) -> Call:
        """See `World`."""
        call = Call(tool)
        self._scopes[call] = anyio.CancelScope()
        self._tasks.start_soon(self._run, call, arguments)
        return call

    async def _run(self, call: Call, arguments: dict[str, Any]) -> None:
        with self._scopes[call]:
            call.answer = _answer(await self.workplace.call(call.tool, arguments, NOBODY))
        call.done.set()

    def cancel(self, call: Call) -> None:
        """See `World`."""
        call.cancelled = call.cancelled or not call.done.is_set()
        self._scopes[call].cancel()


def _answer(reply: Reply) -> Answer:
    return Answer("\n".join(reply.texts), reply.is_error, reply.turn or {})


@asynccontextmanager
async def inside(rng: Random, folder: Path, *, wrapped: bool) -> AsyncIterator[Inside]:
    """A workplace that is closed in the end, as the server closes it; what it said is checked then."""
    said = io.StringIO()
    temp = folder / "temp"
    temp.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(temp)
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context)))
    try:
        with Rogue(folder, wrapped=wrapped) as rogue, redirect_stderr(said):
            async with anyio.create_task_group() as tasks:
                world = Inside(rogue, rng, folder, tasks)
                yield world
                begun = re.search(r"since the start: (\d+) turn", await world.status())
                await world.workplace.close(turn_ends_s=TURN_ENDS_S)
                tasks.cancel_scope.cancel()
            await rogue.is_gone()
    finally:
        tempfile.tempdir = before
    assert not list(temp.iterdir()), f"Left in the temp folder: {list(temp.iterdir())}"
    assert not problems, problems
    assert "Traceback" not in said.getvalue(), said.getvalue()
    assert begun is not None
    assert world.check_turns() == int(begun[1]), "A turn has no record"
