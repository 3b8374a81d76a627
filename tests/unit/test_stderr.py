from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from codex_fusion.stderr import Stderr

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    fds = os.pipe()
    yield fds
    for fd in fds:
        os.close(fd)


def test_what_fits_is_written_whole(pipe: tuple[int, int]) -> None:
    theirs, ours = pipe
    print("one", "x" * 10_000, "ö", file=Stderr(ours))
    assert os.read(theirs, 20_000).decode() == f"one {'x' * 10_000} ö\n"


def test_a_reader_that_does_not_keep_up_is_not_waited_for(pipe: tuple[int, int]) -> None:
    theirs, ours = pipe
    stderr = Stderr(ours)
    for _ in range(3):
        assert stderr.write("x" * 1_000_000) == 1_000_000
    assert len(os.read(theirs, 3_000_000)) < 1_000_000
    stderr.write("later")
    assert os.read(theirs, 10) == b"later"


def test_nobody_who_reads_is_no_reason_to_fail() -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    Stderr(ours).write("x")
    os.close(ours)
    Stderr(ours).write("x")


def test_it_tells_what_it_is(pipe: tuple[int, int]) -> None:
    stderr = Stderr(pipe[1])
    assert (stderr.fileno(), stderr.writable(), stderr.isatty()) == (pipe[1], True, False)
