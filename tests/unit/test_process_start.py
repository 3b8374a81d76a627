"""How a child starts, or why it does not."""

from __future__ import annotations

import itertools
import resource
import sys
from pathlib import Path

import anyio
import pytest

from codex_fusion.errors import AgentStartError
from codex_fusion.process import spawn
from tests.support import child_behaviours
from tests.support.children import BEHAVIOUR, ENV, children, open_files, running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


async def test_a_child_has_the_folder_and_the_environment_that_it_was_given_and_no_file_of_ours(
    tmp_path: Path,
) -> None:
    async with anyio.create_task_group() as tasks:
        child = await spawn(tasks, [*BEHAVIOUR, "describe"], {"ONLY": "this", "LC_ALL": "C"}, tmp_path)
        assert await child.receive() == str(tmp_path).encode()
        assert await child.receive() == b"0,1,2"
        assert await child.receive() == b"LC_ALL=C,ONLY=this"
        await child.kill()


async def test_a_second_child_does_not_hold_the_first_one_s_pipes() -> None:
    async with running("echo") as first, running("describe") as second:
        await second.receive()
        assert await second.receive() == b"0,1,2"
        assert first.alive


async def refused(tmp_path: Path, *argv: str, cwd: Path | None = None) -> AgentStartError:
    before = open_files()
    async with anyio.create_task_group() as tasks:
        with pytest.raises(AgentStartError) as caught:
            await spawn(tasks, argv, ENV, cwd or tmp_path)
    assert open_files() == before
    return caught.value


async def test_a_program_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    error = await refused(tmp_path, "no-such-program", "--flag")
    assert "the program no-such-program, or what it runs with, is not there" in str(error)
    assert "no-such-program --flag" in str(error)
    assert "codex-fusion setup" in error.remedy
    assert "CODEX_FUSION_ACP_COMMAND" in error.remedy


async def test_a_program_that_may_not_be_run_is_named_with_the_remedy(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    error = await refused(tmp_path, str(program))
    assert f"{program} may not be run" in str(error)
    assert f"chmod +x {program}" in error.remedy


async def test_a_folder_that_is_not_there_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    error = await refused(tmp_path, sys.executable, cwd=missing)
    assert f"its folder {missing} can't be entered (No such file or directory)" in str(error)
    assert "CODEX_FUSION_WORKSPACE" in error.remedy


async def test_a_file_that_is_no_program_is_told_in_the_system_s_words(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("neither a script nor a binary")
    program.chmod(0o755)
    assert "Exec format error" in str(await refused(tmp_path, str(program)))


async def test_when_no_file_can_be_opened_the_limit_is_named(tmp_path: Path) -> None:
    free = (fd for fd in itertools.count() if not child_behaviours.is_open(fd))
    third = next(itertools.islice(free, 2, None))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (third, limits[1]))
    try:
        error = await refused(tmp_path, sys.executable)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "too many files are open" in str(error)
    assert "ulimit -n" in error.remedy


async def test_an_argument_that_no_system_takes_is_refused_as_well(tmp_path: Path) -> None:
    assert "null byte" in str(await refused(tmp_path, sys.executable, "a\0b"))


@pytest.mark.parametrize("steps", range(12))
async def test_a_start_that_is_cancelled_at_any_point_leaves_nothing(steps: int) -> None:
    async with running("echo"):
        pass  # the loop's own files are open from now on
    files, processes = open_files(), children()
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as starting:
        starting.start_soon(spawn, tasks, [*BEHAVIOUR, "stubborn"], ENV, Path.cwd())
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        starting.cancel_scope.cancel()
        tasks.cancel_scope.cancel()
    assert children() == processes
    assert open_files() == files
