"""The server with the rogue agent in Codex's place, and calls that run beside the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import anyio

from tests.support.bench import Call, Result, serving
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from anyio.abc import TaskGroup
    from mcp.client.client import ConnectMode

    from tests.support.bench import Bench
    from tests.support.rogue import Rogue


@dataclass(frozen=True)
class Played:
    """A workspace, and an agent that does what a test's script says."""

    rogue: Rogue
    workspace: Path
    temp: Path
    """The server's temp folder."""

    @property
    def environment(self) -> dict[str, str]:
        home = self.workspace.parent / "home"
        return {
            **self.rogue.env,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "CODEX_HOME": str(home / ".codex"),
            "TMPDIR": str(self.temp),
            "CODEX_FUSION_CONFINEMENT": "agent",
        }

    def serving(self, mode: ConnectMode = "auto", **extra: str) -> AbstractAsyncContextManager[Bench]:
        return serving(self.workspace, self.environment | extra, mode=mode)


def play(folder: Path, rogue: Rogue) -> Played:
    """Lay out what a server needs in the folder."""
    played = Played(rogue, folder / "workspace", folder / "tmp")
    for made in (played.workspace, played.temp, folder / "home" / ".codex"):
        made.mkdir(parents=True)
    return played


class Background:
    """A call that runs beside the test, in the test's task group."""

    def __init__(self, tasks: TaskGroup, bench: Bench, tool: str, **arguments: object) -> None:
        self._call = Call(bench, tool, arguments)
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        self._result: Result | None = None
        tasks.start_soon(self._run)

    async def seen(self, text: str) -> Self:
        """Wait until some progress holds the text."""
        await self._call.seen(text)
        return self

    async def result(self) -> Result:
        with anyio.fail_after(LIMIT_S):
            await self._over.wait()
        assert self._result is not None, "it was cancelled"
        return self._result

    async def cancel(self) -> None:
        """As a client cancels: the server is told, and the call is over."""
        self._scope.cancel()
        with anyio.fail_after(LIMIT_S):
            await self._over.wait()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    async def _run(self) -> None:
        with self._scope:
            self._result = await self._call.run()
        self._over.set()
