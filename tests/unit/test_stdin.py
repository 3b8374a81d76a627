from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.stdin import Lines
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Pipe:
    def __init__(self) -> None:
        self._fds = set(os.pipe())
        self.theirs, self.ours = sorted(self._fds)
        self.lines = Lines(self.theirs)

    def write(self, data: bytes) -> None:
        os.write(self.ours, data)

    def hang_up(self) -> None:
        self._fds.discard(self.ours)
        os.close(self.ours)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)

    async def line(self) -> str:
        with anyio.fail_after(LIMIT_S):
            return await anext(self.lines)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


async def test_lines_come_whole_however_they_were_cut(pipe: Pipe) -> None:
    data = "one\ntwo ö\r\n\nfour".encode()
    for byte in data:
        pipe.write(bytes([byte]))
    pipe.hang_up()
    assert [line async for line in pipe.lines] == ["one", "two ö\r", ""]


async def test_a_line_is_there_before_the_next_one(pipe: Pipe) -> None:
    pipe.write(b"one\ntw")
    assert await pipe.line() == "one"
    pipe.write(b"o\n")
    assert await pipe.line() == "two"


async def test_what_is_no_utf_8_is_replaced(pipe: Pipe) -> None:
    pipe.write(b"a\xff\xc3b\n")
    assert await pipe.line() == "a\ufffd\ufffdb"


async def test_a_wait_for_input_can_be_cancelled_and_loses_nothing(pipe: Pipe) -> None:
    pipe.write(b"on")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipe.line)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    pipe.write(b"e\n")
    assert await pipe.line() == "one"


async def test_input_may_be_a_file(tmp_path: Path) -> None:
    (file := tmp_path / "requests").write_text("one\ntwo\n")
    fd = os.open(file, os.O_RDONLY)
    assert [line async for line in Lines(fd)] == ["one", "two"]
    os.close(fd)


def test_nobody_else_reads_our_input() -> None:
    script = (
        "import os, subprocess, sys, anyio; from codex_fusion import stdin; lines = stdin.take();"
        "subprocess.run((sys.executable, '-c', 'import sys; print(repr(sys.stdin.read()))'), check=True);"
        "print(anyio.run(lines.__anext__))"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), input=b"for us\n", capture_output=True, check=True, timeout=LIMIT_S
    )
    assert done.stdout.splitlines() == [b"''", b"for us"]
