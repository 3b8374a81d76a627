"""Real child processes for tests: how to start one, and how to wait for the end of any (Linux)."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from codex_fusion import descendants
from codex_fusion.process import Child, spawn
from tests.support import child_behaviours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LIMIT_S = 20.0
"""No wait takes nearly as long; a broken one fails instead of hanging."""
BEHAVIOUR = (sys.executable, "-S", str(Path(child_behaviours.__file__)))
ENV = {"PATH": os.environ.get("PATH", "")}


@asynccontextmanager
async def running(*behaviour: str, line_limit: int = 2**20, mark: str = "") -> AsyncIterator[Child]:
    """A child that behaves so, with a mark in its environment; it is killed in the end."""
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            argv, env = [*BEHAVIOUR, *behaviour], {**ENV, "MARK": mark}
            child = await spawn(tasks, argv, env, Path.cwd(), line_limit=line_limit, mark=mark)
            try:
                yield child
            finally:
                await child.kill()


@contextmanager
def handle(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when that process, which is running now, has ended."""
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


async def end_of(fd: int) -> None:
    with anyio.fail_after(LIMIT_S):
        await anyio.wait_readable(fd)


async def number(child: Child) -> int:
    line = await child.receive()
    assert line is not None
    return int(line)


def children() -> set[int]:
    """The processes whose parent we are, other tests' helpers included."""
    return {entry.pid for entry in descendants.read_table() if entry.parent == os.getpid()}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (it would open more)
