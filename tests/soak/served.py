"""The whole server as a process of its own, and an MCP client that can do anything to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio

from codex_fusion.frames import LineReader
from codex_fusion.pipes import ReadEnd, WriteEnd
from codex_fusion.render import META_KEY
from tests.soak.residue import peak_memory_mb
from tests.soak.world import Answer, Call, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from random import Random

    from anyio.abc import TaskGroup

    from tests.support.rogue import Rogue

SERVER = (sys.executable, "-m", "codex_fusion.cli")
STUCK_S = 1.0
"""Whoever takes nothing for so long takes no more."""
GREETING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "soak", "version": "1"},
}


class Served(World):
    """A server, and calls to it."""

    def __init__(self, rogue: Rogue, rng: Random, folder: Path, tasks: TaskGroup) -> None:
        super().__init__(rogue, rng, folder)
        self.workspace, self.home = folder / "workspace", folder / "home"
        self.stderr = folder / "server.log"
        self.memory_mb = 0.0
        self._tasks = tasks
        self._calls: dict[int, Call] = {}
        self._numbers: dict[Call, int] = {}
        self._last = 0
        self._answered: set[int] = set()
        self._sending = anyio.Lock()
        self.changed: Mapping[str, str | None] = {}
        """Of the environment; None: unset."""
        self.reading = True
        self.hung_up = anyio.Event()
        """Its output has ended."""

    # --- its process

    async def start(self, *, command: tuple[str, ...] = SERVER, stderr: int | None = None) -> None:
        """Start it, as a client does. `stderr`: not the file that is looked into in the end."""
        self.workspace.mkdir(exist_ok=True)
        self.home.mkdir(exist_ok=True)
        in_theirs, in_ours = os.pipe()
        out_ours, out_theirs = os.pipe()
        with self.stderr.open("ab") as kept:
            self.process = subprocess.Popen(
                command,
                stdin=in_theirs,
                stdout=out_theirs,
                stderr=kept if stderr is None else stderr,
                cwd=self.workspace,
                env=self.environment,
                start_new_session=True,
            )
        os.close(in_theirs)
        os.close(out_theirs)
        self.stdin, self.stdout = WriteEnd(in_ours), ReadEnd(out_ours)
        self.pid = self.process.pid
        self.ended = os.pidfd_open(self.pid)
        self.hung_up = anyio.Event()
        self.reading = True
        self._tasks.start_soon(self._read)
        await self._begin("initialize", GREETING).wait()
        await self.send(method="notifications/initialized")

    @property
    def environment(self) -> dict[str, str]:
        """All that the server gets."""
        env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.home),
            "TMPDIR": str(self.temp()),
            "CODEX_FUSION_CONFINEMENT": "agent",
            "CODEX_FUSION_LOG": str(self.log),
            **self.rogue.env,
            **self.changed,
        }
        return {name: value for name, value in env.items() if value is not None}

    def temp(self) -> Path:
        """Its temp folder."""
        folder = self.log.parent / "temp"
        folder.mkdir(exist_ok=True)
        return folder

    def note_memory(self) -> None:
        """While it runs."""
        self.memory_mb = max(self.memory_mb, peak_memory_mb(self.pid))

    async def has_ended(self) -> int:
        """Wait until its process has; the exit code."""
        await anyio.wait_readable(self.ended)
        return self.process.wait()

    def hang_up(self) -> None:
        """Close its standard input."""
        self.stdin.close()

    async def release(self) -> None:
        """End it, if it still runs, and give up all that is held of it."""
        if self.process.poll() is None:
            self.note_memory()
            self.stdin.close()
            with anyio.move_on_after(10):
                await anyio.wait_readable(self.ended)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
                raise AssertionError("The server did not end when its input did.")
        self.stdin.close()
        self.stdout.finish()
        await self.hung_up.wait()
        self.stdout.close()
        anyio.notify_closing(self.ended)
        os.close(self.ended)

    # --- what it says

    async def _read(self) -> None:
        lines = LineReader(sys.maxsize)
        while self.reading and (data := await self.stdout.receive()):
            for line in lines.feed(data):
                self._take(json.loads(line))
        self.hung_up.set()

    def _take(self, message: dict[str, Any]) -> None:
        assert message["jsonrpc"] == "2.0", message
        if "method" in message:
            assert "id" not in message, f"It asks: {message}"
            return
        number = message["id"]
        assert number not in self._answered, f"Answered twice: {message}"
        self._answered.add(number)
        call = self._calls.get(number)
        if call is not None and not call.done.is_set():
            call.answer = _answer(message)
            call.done.set()

    # --- calls

    def begin(self, tool: str, **arguments: object) -> Call:
        """See `World`."""
        return self._begin(
            "tools/call",
            {"name": tool, "arguments": arguments, "_meta": {"progressToken": self._last + 1}},
            tool,
        )

    def _begin(self, method: str, params: dict[str, Any], tool: str = "") -> Call:
        self._last += 1
        call = Call(tool or method)
        self._calls[self._last] = call
        self._numbers[call] = self._last
        message = {"id": self._last, "method": method, "params": params}
        self._tasks.start_soon(self._send_quietly, message)
        return call

    async def _send_quietly(self, message: dict[str, Any]) -> None:
        with suppress(OSError, anyio.ClosedResourceError):
            await self.send(**message)

    async def flood(self, tool: str, calls: int) -> None:
        """Read nothing any more, and make so many calls, or as many as the server takes."""
        self.reading = False
        for _ in range(calls):
            self._last += 1
            message = {"id": self._last, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
            with anyio.move_on_after(STUCK_S) as scope:
                await self._send_quietly(message)
            if scope.cancelled_caught:
                return

    def cancel(self, call: Call) -> None:
        """See `World`."""
        if not call.done.is_set():
            call.cancelled = True
            call.done.set()
        message = {"method": "notifications/cancelled", "params": {"requestId": self._numbers[call]}}
        self._tasks.start_soon(self._send_quietly, message)

    async def send(self, **message: object) -> None:
        """Send a message."""
        await self.send_line(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def send_line(self, line: bytes) -> None:
        """Send any bytes, with a newline."""
        async with self._sending:
            await self.stdin.send(line + b"\n")


def _answer(message: dict[str, Any]) -> Answer:
    if "error" in message:
        return Answer(json.dumps(message["error"]), is_error=True, turn={})
    result = message["result"]
    texts = [block["text"] for block in result.get("content", ())]
    return Answer("\n".join(texts), result.get("isError", False), result.get("_meta", {}).get(META_KEY) or {})


@asynccontextmanager
async def served(rogue: Rogue, rng: Random, folder: Path) -> AsyncIterator[Served]:
    """A server, not started yet; in the end nothing of it is left, and it said nothing but protocol."""
    async with anyio.create_task_group() as tasks:
        world = Served(rogue, rng, folder, tasks)
        try:
            yield world
        finally:
            with anyio.CancelScope(shield=True):
                await world.release()
        tasks.cancel_scope.cancel()
    said = world.stderr.read_text()
    assert "Traceback" not in said, said
    assert "event=bug" not in said, said
