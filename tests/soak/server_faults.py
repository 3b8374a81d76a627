"""What may happen to the server: signals, a client that goes away, and a system that gives it nothing."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import anyio

from tests.soak import parent
from tests.soak.residue import watchdogs
from tests.soak.served import SERVER
from tests.soak.turn_faults import decide_all, next_call_works
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
        by = "first signal" if limit_s == EXIT_S else "end of its input or output"
        with world.timed(f"from the {by} to the server's exit", limit_s):
            await end()
            exit_code = await world.has_ended()
        await world.rogue.is_gone()
        await world.gone([*agent, *watchdogs(agent)])
    assert exit_code in codes, f"The server ended with {exit_code}"
    turns = world.check_turns()
    assert turns == 1 or exit_code == -signal.SIGKILL, f"The turn that was ended has {turns} records"
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
        await world.flood("status", 500)

        async def end() -> None:
            if name == "EOF":
                world.hang_up()
            else:
                os.kill(world.pid, signal.SIGTERM)

        code, limit_s = (0, EOF_EXIT_S) if name == "EOF" else (-signal.SIGTERM, EXIT_S)
        await _ends(world, codes=(code,), limit_s=limit_s, end=end)

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
        await world.gone([*agent, *watchdogs(agent)])
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
    await finish(world, point)
    await next_call_works(world)


async def argument_of_50_mb(world: Served, point: Point) -> None:
    """It is told which one, and nothing is asked."""
    await point.reach(world)
    answer = await world.call("consult", question="x" * 50_000_000)
    assert answer.is_error, answer.text[:500]
    assert "question" in answer.text, answer.text[:500]
    await finish(world, point)
    await next_call_works(world)


async def finish(world: Served, point: Point) -> None:
    """Let the turn of the point come to its end."""
    was = world.outstanding
    await point.go_on(world)
    if world.outstanding is not None:
        answer = await decide_all(world, await world.outstanding.wait())
        assert answer.status == "answered" or world.outstanding is was, answer.text


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
}
