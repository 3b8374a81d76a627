"""A child's life and end, with real processes. Every wait is for an event of the system, and bounded."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from codex_fusion.errors import AgentGoneError
from codex_fusion.process import spawn
from tests.support import child_owner
from tests.support.children import (
    BEHAVIOUR,
    ENV,
    LIMIT_S,
    children,
    end_of,
    handle,
    number,
    open_files,
    running,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="waits for processes with pidfd_open"),
]


async def test_lines_go_both_ways() -> None:
    async with running("echo") as child:
        await child.send(b"hello")
        await child.send(b"again")
        assert await child.receive() == b"5 hello"
        assert await child.receive() == b"5 again"
        assert child.alive
        assert child.returncode is None


async def test_a_child_that_ignores_sigterm_and_the_end_of_its_input_is_killed() -> None:
    async with running("stubborn") as child:
        assert await child.receive() == b"ready"
        await child.kill()
        assert child.returncode == -signal.SIGKILL
        assert not child.alive
        assert await child.receive() is None


async def test_a_child_gets_the_grace_to_end_by_itself() -> None:
    async with running("polite") as child:
        assert await child.receive() == b"ready"
        await child.kill(grace_s=LIMIT_S)
        assert child.returncode == 7
        assert child.stderr_tail == "goodbye"


async def test_after_the_leader_s_exit_its_group_is_gone_and_nobody_waits_for_its_pipes() -> None:
    async with running("leave_behind", "group", "exit") as child:
        with handle(await number(child)) as survivor:
            await child.send(b"go")
            assert await child.receive() is None
            assert await child.wait() == 0
            await end_of(survivor)


async def test_after_the_leader_s_exit_nobody_waits_for_an_orphan_that_got_away_with_its_pipes() -> None:
    async with running("leave_behind", "orphan", "exit") as child:
        pid = await number(child)
        try:
            await child.send(b"go")
            assert await child.receive() is None
            assert await child.wait() == 0
            await child.kill()
        finally:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("where", ["group", "session"])
async def test_whoever_descends_from_a_child_ends_with_it(where: str) -> None:
    async with running("leave_behind", where, "stay") as child:
        with handle(await number(child)) as grandchild:
            assert await child.receive() == b"ready"
            await child.kill()
            assert child.returncode == -signal.SIGKILL
            await end_of(grandchild)


@pytest.mark.parametrize("size", [400_000, 20_000_000])
async def test_stderr_never_blocks_a_child_and_its_tail_is_kept(size: int) -> None:
    async with running("fill_stderr", str(size)) as child:
        assert await child.receive() == b"written"
        await child.kill()
        assert child.stderr_tail == "x" * 4093 + "END"


@pytest.mark.parametrize(
    "secret",
    [
        f"sk-{'a1b2c3d4' * 6}",
        "-----BEGIN PRIVATE KEY-----\n" + "a1b2c3d4\n" * 300 + "-----END PRIVATE KEY-----",
    ],
    ids=["key", "block"],
)
async def test_a_secret_at_the_beginning_of_the_tail_is_not_kept_by_halves(secret: str) -> None:
    after = "the end of the words ".rjust(4096 - len(secret) // 2)
    async with running("last_words", f"the first of them {secret} {after}") as child:
        await child.wait()
        await child.kill()
        assert child.stderr_tail.endswith("the end of the words ")
        assert "a1b2c3d4" not in child.stderr_tail


async def test_a_child_that_dies_at_once_leaves_its_code_and_its_last_words() -> None:
    async with running("exit_at_once", "3") as child:
        assert await child.receive() is None
        assert await child.wait() == 3
        assert not child.alive
        await child.kill()
        assert child.returncode == 3
        assert child.stderr_tail == "I could not start\n"


async def test_all_that_a_child_wrote_before_its_exit_is_received() -> None:
    async with running("talk_and_exit", "3000") as child:
        await child.wait()
        lines = [await number(child) for _ in range(3000)]
        assert lines == list(range(3000))
        assert await child.receive() is None


async def test_a_line_over_the_limit_is_dropped_and_the_next_one_arrives() -> None:
    async with running("huge_line", "5000000", line_limit=2**20) as child:
        assert await child.receive() == b"after it"
        assert child.oversized == 1


async def test_a_child_that_closes_its_output_but_lives_has_nothing_more_to_say() -> None:
    async with running("close", "stdout") as child:
        assert await child.receive() == b"ready"
        assert await child.receive() is None
        assert child.alive


async def test_a_child_that_closes_its_input_but_lives_is_given_up() -> None:
    async with running("close", "stdin") as child:
        assert await child.receive() == b"ready"
        assert await child.receive() is None
        assert child.alive
        with suppress(AgentGoneError):
            await child.send(b"the writer may find out by this line")
        with pytest.raises(AgentGoneError):
            await child.send(b"are you there?")


async def test_a_sender_that_waits_for_a_child_is_freed_by_its_kill() -> None:
    async with running("stubborn") as child, anyio.create_task_group() as tasks:
        assert await child.receive() == b"ready"
        failures: list[AgentGoneError] = []

        async def send() -> None:
            try:
                while True:
                    await child.send(b"x" * 2**16)
            except AgentGoneError as error:
                failures.append(error)

        for _ in range(3):
            tasks.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        await child.kill()
        with anyio.fail_after(LIMIT_S):
            while len(failures) < 3:
                await anyio.lowlevel.checkpoint()


async def test_a_reader_is_freed_by_a_kill_though_an_orphan_holds_the_pipe() -> None:
    async with running("leave_behind", "orphan", "stay") as child, anyio.create_task_group() as tasks:
        pid = await number(child)
        assert await child.receive() == b"ready"

        async def read() -> None:
            assert await child.receive() is None

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        try:
            await child.kill()
        finally:
            os.kill(pid, signal.SIGKILL)


async def test_after_a_kill_nothing_can_be_sent() -> None:
    async with running("echo") as child:
        await child.kill()
        with pytest.raises(AgentGoneError, match="no longer reads"):
            await child.send(b"x")


async def test_a_line_whose_sender_was_cancelled_goes_out_whole() -> None:
    async with running("read_when_told") as child:
        assert await child.receive() == b"ready"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child.send, b"a" * 2**20)
            tasks.start_soon(child.send, b"b" * 2**20)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        os.kill(child.pid, signal.SIGUSR1)
        await child.send(b"next")
        assert await child.receive() == b"1048576 aaaaaaaaaaaaaaaaaaaa"
        assert await child.receive() == b"4 next"


async def test_a_cancelled_receive_loses_nothing() -> None:
    async with running("echo") as child:
        for size in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child.receive)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            await child.send(b"x" * size)
            assert (await child.receive() or b"").startswith(str(size).encode())


async def test_two_kills_at_once_and_one_afterwards_all_return() -> None:
    async with running("stubborn") as child:
        assert await child.receive() == b"ready"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child.kill)
            tasks.start_soon(child.kill)
        assert child.returncode == -signal.SIGKILL
        await child.kill()


async def test_a_cancelled_kill_is_a_whole_kill() -> None:
    async with running("stubborn") as child:
        assert await child.receive() == b"ready"
        with anyio.CancelScope() as scope:
            scope.cancel()
            await child.kill()
        assert child.returncode == -signal.SIGKILL


async def test_a_kill_goes_on_when_its_task_is_cancelled_past_every_shield() -> None:
    async with running("stubborn") as child:
        assert await child.receive() == b"ready"
        task = asyncio.ensure_future(child.kill())
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await child.wait() == -signal.SIGKILL


async def test_a_child_ends_with_the_task_group_that_it_was_started_in() -> None:
    async with anyio.create_task_group() as tasks:
        child = await spawn(tasks, [*BEHAVIOUR, "stubborn"], ENV, Path.cwd())
        assert await child.receive() == b"ready"
        tasks.cancel_scope.cancel()
    assert child.returncode == -signal.SIGKILL
    await child.kill()


async def test_a_child_can_be_killed_without_waiting() -> None:
    async with running("leave_behind", "session", "stay") as child:
        with handle(await number(child)) as grandchild, handle(child.pid) as leader:
            child.kill_now()
            child.kill_now()
            await end_of(leader)
            await end_of(grandchild)
        await child.wait()
        child.kill_now()


async def test_nothing_is_left_of_fifty_children() -> None:
    async with running("echo"):
        pass  # the loop's own files are open from now on
    files, processes = open_files(), children()
    for behaviour in (
        ("polite",),
        ("stubborn",),
        ("exit_at_once", "3"),
        ("talk_and_exit", "3"),
        ("echo",),
    ) * 10:
        async with running(*behaviour) as child:
            if behaviour != ("echo",):
                await child.receive()
            await child.kill(grace_s=0.01)
    assert open_files() == files
    assert children() == processes


@pytest.mark.parametrize(
    "behaviour", [("stubborn",), ("leave_behind", "group", "stay"), ("leave_behind", "orphan", "stay")]
)
async def test_when_we_are_killed_ourselves_the_group_and_the_marked_are_killed(
    behaviour: tuple[str, ...],
) -> None:
    command = [sys.executable, child_owner.__file__, *BEHAVIOUR, *behaviour]
    env = {**ENV, "PYTHONPATH": str(Path(__file__).parents[2]), "MARK": f"mark-{uuid4()}"}
    async with await anyio.open_process(command, env=env, stderr=None) as owner:
        assert owner.stdout is not None
        with anyio.fail_after(LIMIT_S):
            words = (await owner.stdout.receive()).split()
        pids = [int(word) for word in words if word.isdigit()]
        assert len(pids) == len(behaviour) // 2 + 1
        with handle(pids[0]) as leader, handle(pids[-1]) as last:
            owner.kill()
            await end_of(leader)
            await end_of(last)


@pytest.mark.parametrize("end", ["the child", "its commands"])
async def test_an_orphan_outside_the_group_is_found_by_its_mark(end: str) -> None:
    async with running("leave_behind", "orphan", "stay", mark=f"mark-{uuid4()}") as child:
        with handle(await number(child)) as orphan:
            assert await child.receive() == b"ready"
            if end == "the child":
                await child.kill()
            else:
                child.end_commands()
            await end_of(orphan)
        assert child.alive == (end == "its commands")


async def test_the_watchdog_ends_with_the_child_that_it_guards() -> None:
    before = children()
    async with running("stubborn") as child:
        await child.receive()
        await anyio.wait_all_tasks_blocked()
        assert len(children() - before) == 2
        await child.kill()
        assert children() == before
