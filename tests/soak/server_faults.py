"""What may happen to the server: signals, a client that goes away, and a system that gives it nothing."""

from __future__ import annotations

import os
import re
import resource
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from tests.soak import parent
from tests.soak.points import begin
from tests.soak.residue import peak_memory_mb, watchdogs
from tests.soak.served import SERVER
from tests.soak.turn_faults import check_ended_or, decide_all, next_call_works
from tests.support.rogue_script import ignore, sequence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.points import Point
    from tests.soak.served import Served

    Play = Callable[[Served, Point], Awaitable[None]]

EXIT_S = 0.4
"""From the first signal: Claude Code kills 600 ms after it."""
GROUP_S = 2.0
EOF_EXIT_S = 2.0
CLAUDE = ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.5), (signal.SIGKILL, 0.0))
"""What Claude Code 2.1 sends, and how long it waits before the next."""
STUBBORN = 0.4
"""How often the agent ignores what should end it."""


async def _ends(
    world: Served, *, codes: tuple[int, ...], limit_s: float, end: Callable[[], Awaitable[None]]
) -> None:
    """After this the server ends, and the agent with it; a new server works."""
    if world.rng.random() < STUBBORN and world.rogue.living():
        world.rogue.order(sequence(ignore("SIGTERM"), ignore("EOF"), ignore("session/cancel")))
        await world.rogue.happens("did", do="sequence")
    agent = world.agent()
    world.note_memory()
    await world.jitter()
    with world.timed("from the end of the server to the end of the agent's processes", GROUP_S):
        with world.timed("from the first signal, or the end of its input, to the server's exit", limit_s):
            await end()
            exit_code = await world.has_ended()
        await world.rogue.is_gone()
        await world.gone(agent)
    assert exit_code in codes, f"The server ended with {exit_code}"
    assert not watchdogs(agent), "A watchdog is left"
    world.check_turns()
    world.log.unlink(missing_ok=True)
    await world.release()
    await world.start()
    await next_call_works(world)


def _signals(*numbers: signal.Signals) -> Play:
    async def play(world: Served, point: Point) -> None:
        await point.reach(world)

        async def end() -> None:
            for number in numbers:
                os.kill(world.pid, number)
                await world.jitter()

        await _ends(world, codes=tuple(-number for number in numbers), limit_s=EXIT_S, end=end)

    return play


async def claude_quits(world: Served, point: Point) -> None:
    """Claude Code's own sequence: the first signal is enough."""
    await point.reach(world)

    async def end() -> None:
        for number, patience_s in CLAUDE:
            os.kill(world.pid, number)
            with anyio.move_on_after(patience_s):
                await world.has_ended()
                return

    await _ends(world, codes=(-signal.SIGINT,), limit_s=EXIT_S, end=end)


async def server_killed(world: Served, point: Point) -> None:
    """SIGKILL: nobody cleans up but the watchdog."""
    await point.reach(world)

    async def end() -> None:
        os.kill(world.pid, signal.SIGKILL)

    await _ends(world, codes=(-signal.SIGKILL,), limit_s=GROUP_S, end=end)


async def stdin_ends(world: Served, point: Point) -> None:
    """The client closes the server's input, and reads on."""
    await point.reach(world)

    async def end() -> None:
        world.hang_up()

    await _ends(world, codes=(0,), limit_s=EOF_EXIT_S, end=end)


async def client_vanishes(world: Served, point: Point) -> None:
    """Both pipes are closed at once."""
    await point.reach(world)

    async def end() -> None:
        world.stdout.close()
        world.hang_up()

    await _ends(world, codes=(0,), limit_s=EOF_EXIT_S, end=end)


async def stdout_closed(world: Served, point: Point) -> None:
    """Nobody reads any more, and calls go on."""
    await point.reach(world)

    async def end() -> None:
        world.stdout.close()
        for _ in range(5):
            world.begin("status")
            await world.jitter()
        world.hang_up()

    await _ends(world, codes=(0,), limit_s=EOF_EXIT_S, end=end)


def _unread(name: str) -> Play:
    async def play(world: Served, point: Point) -> None:
        await point.reach(world)
        await world.flood("status")

        async def end() -> None:
            if name == "EOF":
                world.hang_up()
            else:
                os.kill(world.pid, signal.SIGTERM)

        code = 0 if name == "EOF" else -signal.SIGTERM
        await _ends(world, codes=(code,), limit_s=EOF_EXIT_S, end=end)

    return play


async def parent_dies(world: Served, point: Point) -> None:
    """The program that started it is killed, and with it the other ends of the pipes."""
    await world.release()
    await world.start(command=(sys.executable, parent.__file__, *SERVER))
    found = re.findall(r"server=(\d+)", world.stderr.read_text())
    server = int(found[-1])
    await point.reach(world)
    agent = world.agent()
    with world.timed("from the death of the parent to the end of the agent's processes", GROUP_S):
        os.kill(world.pid, signal.SIGKILL)
        await world.gone([server])
        await world.rogue.is_gone()
        await world.gone(agent)
    world.log.unlink(missing_ok=True)
    await world.release()
    await world.start()
    await next_call_works(world)


# --- what a client may send

GARBAGE = (
    b"",
    b"no JSON",
    b"{",
    b"[]",
    b"17",
    b"null",
    b'"text"',
    b"\xff\xfe\xc3\x28",
    b"[" * 50_000,
    b'{"jsonrpc":"2.0","id":"g1","method":"_unknown/method"}',
    b'{"jsonrpc":"2.0","id":"g2","method":"tools/call","params":{"name":"no_such_tool","arguments":{}}}',
    b'{"jsonrpc":"2.0","id":"g3","method":"tools/call","params":{"name":"consult","arguments":[1]}}',
    b'{"jsonrpc":"2.0","id":"g4","method":"tools/call"}',
    b'{"jsonrpc":"2.0","id":"g5","method":"tools/call","params":{"name":"consult","arguments":{"question":7}}}',
    b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":98765,"result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}',
    b'{"jsonrpc":"1.0","id":"g6","method":"tools/list"}',
)


async def garbage(world: Served, point: Point) -> None:
    """What is no message is left out, what is a wrong one is told, and the turn goes on."""
    await point.reach(world)
    lines = list(GARBAGE)
    world.rng.shuffle(lines)
    for line in lines:
        await world.send_line(line)
    await world.status()
    await _finish(world, point)
    await next_call_works(world)


async def argument_of_50_mb(world: Served, point: Point) -> None:
    """It is told which one, and nothing is asked."""
    await point.reach(world)
    answer = await world.call("consult", question="x" * 50_000_000)
    assert answer.is_error, answer.text[:500]
    assert "question" in answer.text, answer.text[:500]
    await _finish(world, point)
    await next_call_works(world)


async def _finish(world: Served, point: Point) -> None:
    was = world.outstanding
    await point.go_on(world)
    if world.outstanding is not None:
        answer = await decide_all(world, await world.outstanding.wait())
        assert answer.status == "answered" or world.outstanding is was, answer.text


# --- a system that gives nothing


def _started_with(check: str, **env: str | None) -> Play:
    async def play(world: Served, point: Point) -> None:
        await world.release()
        world.changed = env
        await world.start()
        await point.reach(world)
        await _finish(world, point)
        await next_call_works(world)
        assert check in await world.status()

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
    await _finish(world, point)
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
        await _finish(world, point)
    await next_call_works(world)


async def restart_storm(world: Served, point: Point) -> None:
    """An agent that dies at each start is started once for each call that needs it, and the error counts."""
    await point.reach(world)
    world.rogue.dies_at_each_start()
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
        assert n == 1 or f"start {n} that failed" in answer.text, answer.text
        assert world.rogue.starts == before + n
    world.rogue.always("start")
    await next_call_works(world)


async def many_turns(world: Served, point: Point) -> None:
    """A long day: neither files nor memory pile up."""
    await point.reach(world)
    await _finish(world, point)
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


SERVER_FAULTS: dict[str, Play] = {
    "sigint": _signals(signal.SIGINT),
    "sigterm": _signals(signal.SIGTERM),
    "sighup": _signals(signal.SIGHUP),
    "sigint-sigterm": _signals(signal.SIGINT, signal.SIGTERM),
    "sigterm-twice": _signals(signal.SIGTERM, signal.SIGTERM),
    "sigint-thrice": _signals(signal.SIGINT, signal.SIGINT, signal.SIGINT),
    "claude-quits": claude_quits,
    "server-killed": server_killed,
    "stdin-ends": stdin_ends,
    "client-vanishes": client_vanishes,
    "stdout-closed": stdout_closed,
    "unread-and-eof": _unread("EOF"),
    "unread-and-sigterm": _unread("SIGTERM"),
    "parent-dies": parent_dies,
    "garbage": garbage,
    "argument-of-50-mb": argument_of_50_mb,
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
