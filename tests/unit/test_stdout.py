from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.stdout import Output
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
FULL = "x" * 1_000_000
"""More than any pipe holds."""


class Pipe:
    def __init__(self) -> None:
        self._fds = set(os.pipe())
        self.theirs, self.ours = sorted(self._fds)
        self.output = Output(self.ours)

    def hang_up(self) -> None:
        self._fds.discard(self.theirs)
        os.close(self.theirs)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


async def test_all_is_written_in_the_end_however_long_it_is(pipe: Pipe) -> None:
    got: list[bytes] = []

    def read() -> None:
        while sum(map(len, got)) < len(FULL) + 3:
            got.append(os.read(pipe.theirs, 10_000))

    reader = threading.Thread(target=read)
    reader.start()
    with anyio.fail_after(LIMIT_S):
        await pipe.output.write(FULL)
        await pipe.output.write("ö\n")
    await pipe.output.flush()
    reader.join(LIMIT_S)
    assert b"".join(got).decode() == FULL + "ö\n"


async def test_a_wait_for_a_reader_can_be_cancelled(pipe: Pipe) -> None:
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pipe.output.write, FULL)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()


async def test_a_wait_for_a_reader_ends_when_there_is_none_any_more(pipe: Pipe) -> None:
    async def write() -> None:
        with pytest.raises(BrokenPipeError):
            await pipe.output.write(FULL)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            pipe.hang_up()


async def test_output_may_be_a_file(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "answers", os.O_WRONLY | os.O_CREAT)
    await Output(fd).write("one\n")
    os.close(fd)
    assert (tmp_path / "answers").read_text() == "one\n"


@pytest.mark.parametrize("stderr", [True, False], ids=["stderr", "no stderr"])
def test_what_anybody_else_writes_misses_our_output(*, stderr: bool) -> None:
    script = (
        "import subprocess, anyio; from codex_fusion import stderr, stdout;"
        "stderr.take(); output = stdout.take();"
        "subprocess.run(('echo', 'stray'), check=True); print('stray', flush=True);"
        "anyio.run(output.write, 'for the client')"
    )
    run = 'exec "$@"' if stderr else 'exec "$@" 2>&-'
    command = ("/bin/sh", "-c", run, "sh", sys.executable, "-c", script)
    done = subprocess.run(command, capture_output=True, check=True, timeout=LIMIT_S)
    assert done.stdout == b"for the client"
    assert done.stderr.split() == [b"stray"] * (2 if stderr else 0)
