"""What a system may withhold from the server: stderr, disks, files, a home, time, and what long days do."""

from __future__ import annotations

import os
import resource
import shlex
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from tests.soak.points import begin
from tests.soak.residue import peak_memory_mb
from tests.soak.served import SERVER
from tests.soak.server_faults import GARBAGE, finish
from tests.soak.turn_faults import check_ended_or, next_call_works
from tests.support.rogue_script import exit_, stderr

if TYPE_CHECKING:
    from tests.soak.points import Point
    from tests.soak.served import Served
    from tests.soak.server_faults import Play


async def stderr_closed(world: Served, point: Point) -> None:
    """The client never opened it: what the server opens instead is not written to by mistake."""
    await world.release()
    await world.start(command=("/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *SERVER))
    await point.reach(world)
    await finish(world, point)
    await next_call_works(world)


async def stderr_unread(world: Served, point: Point) -> None:
    """The client leaves it in the pipe, which is full: nobody waits for that."""
    await world.release()
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    with suppress(BlockingIOError):
        while True:
            os.write(ours, b"x" * 4096)
    os.set_blocking(ours, True)  # as the server gets it
    try:
        await world.start(stderr=ours)
        await point.reach(world)
        for line in GARBAGE:
            await world.send_line(line)
        await finish(world, point)
        await next_call_works(world)
    finally:
        os.close(ours)
        os.close(theirs)


def _started_with(check: str, **env: str | None) -> Play:
    async def play(world: Served, point: Point) -> None:
        await world.release()
        world.changed = env
        await world.start()
        await point.reach(world)
        await finish(world, point)
        await next_call_works(world)
        assert check in await world.status()

    return play


def _started_with_stderr(path: str) -> Play:
    async def play(world: Served, point: Point) -> None:
        await world.release()
        await world.start(command=("/bin/sh", "-c", f'exec "$@" 2>{path}', "sh", *SERVER))
        await point.reach(world)
        await finish(world, point)
        await next_call_works(world)

    return play


async def disk_full(world: Served, point: Point) -> None:
    """From now on no file takes a byte. The agent may go on: that is its own affair."""
    await world.release()
    agent = f"ulimit -S -f unlimited; exec {world.rogue.command}"
    world.changed = {"CODEX_FUSION_ACP_COMMAND": f"/bin/sh -c {shlex.quote(agent)}"}
    await world.start()
    await point.reach(world)
    _, most = resource.prlimit(world.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(world.pid, resource.RLIMIT_FSIZE, (0, most))
    await finish(world, point)
    answer = await begin(world).wait()
    assert answer.status == "answered", answer.text
    await world.status(says="NOT WRITTEN")
    # A new agent needs a folder with a file in it: without, it is said.
    for pid in world.agent():
        os.kill(pid, signal.SIGKILL)
    await world.gone(world.agent())
    refused = await begin(world).wait()
    assert refused.status == "failed", refused.text
    assert "fault of codex-fusion's own" not in refused.text, refused.text
    resource.prlimit(world.pid, resource.RLIMIT_FSIZE, (most, most))
    await next_call_works(world)


async def few_files(world: Served, point: Point) -> None:
    """It may open next to nothing any more, and the agent dies: what can't be done is said."""
    await point.reach(world)
    _, most = resource.prlimit(world.pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{world.pid}/fd"))  # noqa: PTH208
    resource.prlimit(world.pid, resource.RLIMIT_NOFILE, (highest + world.rng.randrange(12), most))
    for pid in world.agent():
        os.kill(pid, signal.SIGKILL)
    await world.gone(world.agent())
    if world.outstanding is not None:
        check_ended_or(("answered",), await world.outstanding.wait())
    for _ in range(3):
        answer = await begin(world).wait()
        assert answer.status in ("answered", "failed"), answer.text
        assert "fault of codex-fusion's own" not in answer.text, answer.text
        await world.status()
    resource.prlimit(world.pid, resource.RLIMIT_NOFILE, (most, most))
    await next_call_works(world)


async def machine_sleeps(world: Served, point: Point) -> None:
    """The server stands still for longer than a turn may take; then everything is as the limits say."""
    await world.release()
    world.changed = {"CODEX_FUSION_TURN_TIMEOUT_MS": "1500"}
    await world.start()
    await point.reach(world)
    os.kill(world.pid, signal.SIGSTOP)
    await anyio.sleep(2)  # that is what is tried here
    os.kill(world.pid, signal.SIGCONT)
    if world.outstanding is not None:
        answer = await world.outstanding.wait()
        assert answer.status in ("timeout", "failed"), answer.text
    if point.paused:
        await world.status(says="waits for `permit`")
        await finish(world, point)
    await next_call_works(world)


DEATHS = ("start", "initialize", "session/new", "session/prompt")


async def restart_storm(world: Served, point: Point) -> None:
    """An agent that dies at each start is started once for each call that needs it, and the error counts."""
    await point.reach(world)
    when = world.rng.choice(DEATHS)
    world.rogue.always(when, stderr("rogue: dying as told"), exit_(3))
    for pid in world.agent():
        os.kill(pid, signal.SIGKILL)
    await world.gone(world.agent())
    if world.outstanding is not None:
        await world.outstanding.wait()
    before = world.rogue.starts
    for n in range(1, 6):
        answer = await begin(world).wait()
        assert answer.status == "failed", answer.text
        assert "dying as told" in answer.text, answer.text
        assert "exit code 3" in answer.text, answer.text
        # One that dies later did start, and the session says each time that it is a new one.
        assert n == 1 or f"start {n} that failed" in answer.text or when not in DEATHS[:2], answer.text
        assert world.rogue.starts == before + n
        await world.status(gone=True)
    crowd = [begin(world) for _ in range(10)]
    for call in crowd:
        assert (await call.wait()).status == "failed"
    assert world.rogue.starts == before + n + len(crowd)
    world.rogue.heals(when)
    await next_call_works(world)


async def many_turns(world: Served, point: Point) -> None:
    """A long day: neither files nor memory pile up."""
    await point.reach(world)
    await finish(world, point)
    for _ in range(20):
        await begin(world).wait()
    files, memory_mb = len(list(Path(f"/proc/{world.pid}/fd").iterdir())), peak_memory_mb(world.pid)
    for n in range(300):
        answer = await begin(world).wait()
        assert answer.status == "answered", answer.text
        if n % 30 == 0:
            await world.call("reset")
    assert len(list(Path(f"/proc/{world.pid}/fd").iterdir())) == files
    assert peak_memory_mb(world.pid) < memory_mb + 20
    await next_call_works(world)


SYSTEM_FAULTS: dict[str, Play] = {
    "stderr-closed": stderr_closed,
    "stderr-unread": stderr_unread,
    "stderr-full": _started_with_stderr("/dev/full"),
    "log-full": _started_with("NOT WRITTEN", CODEX_FUSION_LOG="/dev/full"),
    "log-read-only": _started_with("NOT WRITTEN", CODEX_FUSION_LOG="/proc/no/turns.jsonl"),
    "state-read-only": _started_with("agent: running", XDG_STATE_HOME="/proc/no", XDG_DATA_HOME="/proc/no"),
    "home-unset": _started_with("agent: running", HOME=None),
    "home-gone": _started_with("agent: running", HOME="/no/such/home"),
    "tmp-gone": _started_with("agent: running", TMPDIR="/no/such/folder"),
    "disk-full": disk_full,
    "few-files": few_files,
    "machine-sleeps": machine_sleeps,
    "restart-storm": restart_storm,
    "many-turns": many_turns,
}
