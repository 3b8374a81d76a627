"""What a client may do at any point: nothing wedges, and each call has one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.points import POINTS
from tests.soak.turn_faults import decide_all, next_call_works
from tests.soak.world import SO_FAR

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.points import Point
    from tests.soak.world import Call, World

FIFTY = 50


async def cancels(world: World, point: Point) -> None:
    """It cancels the call that waits. Of a pause, that is none: the turn still waits for its decision."""
    if world.outstanding is not None:
        world.cancel(world.outstanding)
        await world.jitter()
    if point.paused:
        await world.status(says="waits for `permit`")
        await _finish(world, point)
    await next_call_works(world)


async def cancels_the_queue(world: World, point: Point) -> None:
    """It makes calls that wait, and cancels them in any order."""
    calls = [world.begin("explore") for _ in range(5)]
    await world.jitter()
    world.rng.shuffle(calls)
    for call in calls:
        world.cancel(call)
        await world.jitter()
    await _finish(world, point)
    await next_call_works(world)


async def fifty_calls(world: World, point: Point) -> None:
    """It makes fifty calls at once: they are served one after the other, or told what is open."""
    calls = [world.begin("status" if n % 10 == 0 else "consult", **_question(n)) for n in range(FIFTY)]
    await _finish(world, point)
    for call in calls:
        answer = await call.wait()
        assert call.tool == "status" or answer.status in ("answered", "busy"), answer.text
    await next_call_works(world)


def _question(n: int) -> dict[str, object]:
    return {} if n % 10 == 0 else {"question": f"Question {n}?"}


async def permits_twice(world: World, point: Point) -> None:
    """It decides the same request twice at once, differently: one decision counts."""
    world.rogue.open("point")
    calls = [world.begin("permit", decision=decision, request="r1") for decision in ("allow", "deny")]
    answers = [await call.wait() for call in calls]
    refused = [answer for answer in answers if "can't be decided any more: it was allowed" in answer.text]
    assert len(refused) == 1, [answer.text for answer in answers]
    for answer in answers:
        if answer is not refused[0]:
            assert (await decide_all(world, answer)).status == "answered"
    assert len(world.rogue.answers()) == point.paused
    await next_call_works(world)


async def permits_nothing(world: World, point: Point) -> None:
    """It decides what nobody asked: that is said, and changes nothing."""
    answer = await world.call("permit", decision="allow", request="r77")
    assert answer.is_error, answer.text
    assert "r77" in answer.text or "nothing to permit" in answer.text, answer.text
    await _finish(world, point)
    await next_call_works(world)


async def resets(world: World, point: Point) -> None:
    """It resets: whatever was under way is cancelled with its text, and the next call is in a new session."""
    answer = await world.call("reset")
    assert not answer.is_error, answer.text
    if world.outstanding is not None:
        ended = await world.outstanding.wait()
        assert ended.status == "cancelled", ended.text
        assert not point.told or SO_FAR in ended.text, ended.text
    after = await next_call_works(world)
    assert after.turn["session"]["new"]


async def resets_in_a_crowd(world: World, point: Point) -> None:
    """Everything at once: resets, calls, decisions, cancels."""
    crowd: list[Call] = []
    for n in range(12):
        tool = world.rng.choice(("reset", "explore", "status", "permit", "consult"))
        given: dict[str, dict[str, object]] = {"permit": {"decision": "allow"}, "consult": _question(n + 1)}
        arguments = given.get(tool, {})
        crowd.append(world.begin(tool, **arguments))
        if world.rng.random() < 0.3:
            await world.jitter()
        if world.rng.random() < 0.3:
            world.cancel(world.rng.choice(crowd))
    world.rogue.open("point")
    for call in (*crowd, *([world.outstanding] if world.outstanding is not None else [])):
        await call.done.wait()
        assert call.cancelled or call.answer is not None
    if "waits for `permit`" in await world.status():
        await world.call("reset")
    await next_call_works(world)


async def _finish(world: World, point: Point) -> None:
    """Let the turn of the point come to its end."""
    was = world.outstanding
    await point.go_on(world)
    if world.outstanding is not None and not world.outstanding.cancelled:
        answer = await decide_all(world, await world.outstanding.wait())
        assert answer.status == "answered" or world.outstanding is was, answer.text


CLIENT_FAULTS: dict[str, Callable[[World, Point], Awaitable[None]]] = {
    play.__name__.replace("_", "-"): play
    for play in (
        cancels,
        cancels_the_queue,
        fifty_calls,
        permits_twice,
        permits_nothing,
        resets,
        resets_in_a_crowd,
    )
}


def makes_sense(fault: str, point: str) -> bool:
    """Whether there is anything to do it to."""
    return fault != "permits-twice" or POINTS[point].paused > 0
