"""Plays a fault of the agent at a point of a turn, and checks what Claude sees of it and what is left."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from tests.soak.agent_faults import LAST_WORDS, LATE, Effect
from tests.soak.inside import Inside, jump
from tests.soak.points import begin
from tests.soak.residue import check_answers
from tests.soak.world import GATE, REST, SO_FAR
from tests.support.rogue_script import sequence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.agent_faults import Fault
    from tests.soak.points import Point
    from tests.soak.world import Answer, Call, World

HOUR = 3600.0
QUEUED = 0.3
"""How often another call waits meanwhile."""
CALL_ENDS_S = 2.0
NEXT_ANSWER_S = 5.0
"""The grace of a cancel, the kill and the start of another agent among it."""
LATE_WORDS = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": LATE}}
LATE_LINE = json.dumps(
    {
        "jsonrpc": "2.0",
        "method": "session/update",
        "params": {"sessionId": "rogue-1-1", "update": LATE_WORDS},
    }
)
SAID_WITHIN_S = 60.0
"""Of what an agent has to say: a gigabyte takes its time."""
TERMINAL = {"kill_self", "exit"}
WHAT_HAPPENED = re.compile(
    r"The agent (was killed by signal \d+|ended with exit code -?\d+|closed its connection|was ended)"
)
RACES = (Effect.ENDS, Effect.PASSES)


async def play(world: World, point: Point, fault: Fault, *, race: bool = False) -> None:
    """The fault at the point, up to the next answer. `race`: the turn goes on at the same moment."""
    await point.reach(world)
    await world.status()
    if point.name != "between" and world.rng.random() < QUEUED:
        world.queued = world.begin("explore")
        await world.jitter()
    if race and fault.effect in RACES:
        await _race(world, point, fault)
        await next_call_works(world)
        return
    await _inject(world, fault)
    if fault.survived:
        world.rogue.children_say(LATE_LINE)
    with world.timed("from the fault, or whatever ends the turn, to the next answer", NEXT_ANSWER_S):
        await _EFFECTS[fault.effect](world, point, fault)
        await next_call_works(world)


async def _inject(world: World, fault: Fault) -> None:
    """Have the agent do it."""
    if not fault.actions:
        return
    agent = world.agent()
    world.rogue.order(sequence(*fault.actions))
    if fault.stuck:
        first = fault.actions[0]["do"]
        await world.rogue.happens("doing" if first in TERMINAL else "did", do=first)
        return
    async with anyio.create_task_group() as tasks:

        async def ends(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        # In a turn that is cancelled, the agent may be killed before it is done.
        tasks.start_soon(ends, partial(world.gone, agent))
        tasks.start_soon(ends, partial(world.rogue.happens, "did", do="sequence", limit_s=SAID_WITHIN_S))
    await world.jitter()


async def next_call_works(world: World) -> Answer:
    """What holds after every fault."""
    if world.queued is not None:
        answer = await world.queued.wait()
        check_ended_or(("answered", "busy"), answer)
    answer = await world.call("consult", question="And now?")
    assert answer.status == "answered", answer.text
    assert answer.text.startswith("ok"), answer.text
    assert LATE not in answer.text
    await world.status(says="agent: running")
    check_answers(world.rogue)
    return answer


# --- what each effect looks like


async def _ends(world: World, point: Point, fault: Fault) -> None:
    if point.name == "between":
        if fault.actions[-1]["do"] in TERMINAL:
            await world.gone(world.agent())
        await world.status(gone=fault.actions[-1]["do"] in TERMINAL)
        await point.go_on(world)
        assert world.outstanding is not None
        answer = await world.outstanding.wait()
        # One that hung up and lives may be noticed by this call only.
        if fault.actions[-1]["do"] not in TERMINAL and answer.status != "answered":
            check_ended(answer, told=False)
        else:
            assert answer.status == "answered", answer.text
    elif point.paused:
        await world.gone(world.agent())
        await world.status(gone=True)
        if world.queued is None or (await world.queued.wait()).status == "busy":
            check_ended(await world.call("permit", decision="allow", request="r1"), told=point.told)
        again = await world.call("permit", decision="allow")
        assert again.is_error, again.text
        assert "nothing to permit" in again.text, again.text
    elif point.working:
        assert world.outstanding is not None
        with world.timed("from the end of the agent to the end of the call", CALL_ENDS_S):
            answer = await world.outstanding.wait()
        check_ended(answer, told=point.told)


def check_ended(answer: Answer, *, told: bool) -> None:
    """The call says what happened, with the text so far and the agent's last words."""
    assert answer.status == "failed", answer.text
    assert WHAT_HAPPENED.search(answer.text), answer.text
    assert LAST_WORDS in answer.text, answer.text
    assert not told or SO_FAR in answer.text, answer.text


async def _passes(world: World, point: Point, fault: Fault) -> None:
    await point.go_on(world)
    if world.outstanding is None:
        return
    answer = await decide_all(world, await world.outstanding.wait())
    assert answer.status == "answered", answer.text
    if point.name != "between" and not point.starting:
        # What is longer than a client shows is cut, and says where the rest is.
        assert REST in answer.text or "fusion://debates/" in answer.text, answer.text[-2000:]
    assert LATE not in answer.text
    assert world.rogue.starts == 1, "It was started anew"
    assert not fault.loses


def check_ended_or(statuses: tuple[str, ...], answer: Answer) -> None:
    """One of these, or the call met the fault, and says so."""
    if answer.status not in statuses:
        assert answer.status == "failed", answer.text
        assert WHAT_HAPPENED.search(answer.text), answer.text


async def decide_all(world: World, answer: Answer) -> Answer:
    """What Claude does: decide whatever is open, until there is an answer."""
    while answer.status == "permission":
        request = world.rng.choice(answer.requests)
        decided = await world.call("permit", decision="allow", request=request)
        if "can't be allowed" in decided.text:
            decided = await world.call("permit", decision="deny", request=request)
        answer = decided
    return answer


async def _asks(world: World, point: Point, fault: Fault) -> None:
    withdrawn = fault.name == "ask-withdrawn"
    if point.working and not point.starting and not withdrawn:
        assert world.outstanding is not None
        answer = await world.outstanding.wait()
        assert answer.status == "permission", answer.text
        await world.status(says="waits for `permit`")
        world.rogue.open(GATE)
        answer = await decide_all(world, answer)
        assert answer.status == "answered", answer.text
    else:
        await _passes(world, point, fault)


async def _stalls(world: World, point: Point, fault: Fault) -> None:
    if point.name == "cancelling":
        return  # the grace is running
    if point.paused:
        if isinstance(world, Inside) and world.rng.random() < 0.5:
            jump(HOUR)
            await world.jitter()
            await world.status(says="waits for `permit`")
        if world.rng.random() < 0.5:
            await _reset(world, told=point.told)
            return
    if point.paused or point.name == "between":
        await point.go_on(world)
        await world.jitter()
    await _end_it(world, point, fault)


async def _end_it(world: World, point: Point, fault: Fault) -> None:
    call = world.outstanding
    assert call is not None
    told = point.told and point.name != "between"
    ways = ["cancel", "reset", *(["time"] if isinstance(world, Inside) else [])]
    match world.rng.choice(ways):
        case "cancel":
            world.cancel(call)
        case "reset":
            await _reset(world, told=False)
        case "time":
            await _under_way(world, call)
            jump(HOUR)
    if call.cancelled:
        return
    answer = await call.wait()
    if answer.status == "permission":
        await _reset(world, told=True)
    elif answer.status == "answered":
        assert point.paused or point.name == "between", answer.text  # it was quicker
    elif fault.loses and point.name == "between":
        assert answer.status in ("failed", "cancelled", "timeout"), answer.text
    else:
        # At the start, either limit may be the one that is met.
        assert answer.status in ("cancelled", "timeout", *(["failed"] if point.starting else [])), answer.text
        assert not told or SO_FAR in answer.text, answer.text


async def _under_way(world: World, call: Call) -> None:
    """Until the turn's clock runs, and the turn waits: no clock of ours jumps between two steps."""
    while not call.done.is_set() and "is running" not in await world.status():
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


async def _reset(world: World, *, told: bool) -> None:
    answer = await world.call("reset")
    assert not answer.is_error, answer.text
    assert "The next call starts fresh." in answer.text, answer.text
    text = await world.status()
    assert "waits for `permit`" not in text, text
    assert not told or SO_FAR in text, "What Codex wrote is lost"


async def _race(world: World, point: Point, fault: Fault) -> None:
    agent = world.agent()
    world.rogue.order(sequence(*fault.actions))
    await world.jitter()
    await point.go_on(world)
    if world.outstanding is None:
        world.outstanding = begin(world)
    answer = await decide_all(world, await world.outstanding.wait())
    if fault.effect is Effect.PASSES:
        assert answer.status == "answered", answer.text
        return
    check_ended_or(("answered",), answer)
    # It was answered first, perhaps, and the fault meets the next call.
    if fault.actions[-1]["do"] in TERMINAL:
        await world.gone(agent)
    else:
        await world.rogue.happens("did", do="sequence")
        check_ended_or(("answered",), await world.call("explore"))


_EFFECTS = {
    Effect.ENDS: _ends,
    Effect.STALLS: _stalls,
    Effect.PASSES: _passes,
    Effect.ASKS: _asks,
}
