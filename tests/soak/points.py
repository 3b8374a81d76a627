"""The points of a turn's life: how the agent is brought there, and how the turn goes on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.world import GATE, REST, SO_FAR
from tests.support.rogue_script import (
    ask,
    gate,
    sleep_until_cancel,
    text,
    tool,
    tool_update,
    wait_for_answers,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.world import Call, World
    from tests.support.rogue_script import Action

CALLS: tuple[tuple[str, dict[str, object]], ...] = (
    ("consult", {"question": "Is it safe?"}),
    ("review_plan", {"plan": "First this, then that."}),
    ("brainstorm", {"problem": "How?"}),
    ("explore", {}),
)


class Point:
    """One point. `script` is what the agent does at the events of the turn that is brought here."""

    def __init__(
        self,
        name: str,
        script: tuple[tuple[str, tuple[Action, ...]], ...],
        reach: Callable[[World], Awaitable[None]],
        *,
        paused: int = 0,
        working: bool = True,
        told: bool = True,
    ) -> None:
        self.name = name
        self.script = script
        self._reach = reach
        self.paused = paused
        """How many requests are open here."""
        self.working = working
        """Is a call under way here, and waiting for Codex?"""
        self.told = told
        """Has Codex written `SO_FAR` in the turn?"""

    @property
    def starting(self) -> bool:
        """Whether there is no session yet."""
        return self.name in ("handshake", "opening")

    async def reach(self, world: World) -> None:
        """Bring the turn here."""
        for event, actions in self.script:
            world.rogue.on(event, *actions)
        await self._reach(world)

    async def go_on(self, world: World) -> None:
        """Let the turn go on, as if nothing had happened."""
        world.rogue.open(GATE)
        if self.paused:
            world.outstanding = world.begin("permit", decision="allow", request="r1")
        if self.name == "between":
            world.outstanding = begin(world)


def begin(world: World) -> Call:
    """Ask Codex something."""
    tool_name, arguments = world.rng.choice(CALLS)
    return world.begin(tool_name, **arguments)


async def _working(world: World) -> None:
    world.outstanding = begin(world)
    await world.at_gate()


async def _paused(world: World) -> None:
    answer = await begin(world).wait()
    assert answer.status == "permission", answer.text
    assert SO_FAR in answer.text or answer.requests, answer.text


async def _decided(world: World) -> None:
    await _paused(world)
    world.outstanding = world.begin("permit", decision="allow", request="r1")
    await world.at_gate()


async def _denied(world: World) -> None:
    await _paused(world)
    world.outstanding = world.begin("permit", decision="deny", note="Look at the log instead.")
    await world.at_gate()


async def _cancelling(world: World) -> None:
    call = begin(world)
    await world.rogue.happens("doing", do="sleep_until_cancel")
    world.cancel(call)
    await world.at_gate()


async def _between(world: World) -> None:
    answer = await begin(world).wait()
    assert answer.status == "answered", answer.text


_TOUCH = ask("touch x", reason="a scratch file")
_ONE = ask("touch x", answered=False)
_TWO = ask("touch y", answered=False)
_READ = tool("t1", "Read file 'a.txt'", locations=[{"path": "a.txt"}])

POINTS = {
    point.name: point
    for point in (
        Point("handshake", (("initialize", (gate(GATE),)),), _working, told=False),
        Point("opening", (("session/new", (gate(GATE),)),), _working, told=False),
        Point("first-chunk", (("session/prompt", (gate(GATE), text(REST))),), _working, told=False),
        Point("mid-stream", (("session/prompt", (text(SO_FAR), gate(GATE), text(REST))),), _working),
        Point(
            "in-tool",
            (("session/prompt", (text(SO_FAR), _READ, gate(GATE), tool_update("t1"), text(REST))),),
            _working,
        ),
        Point(
            "permission",
            (("session/prompt", (text(SO_FAR), _TOUCH, text(REST))),),
            _paused,
            paused=1,
            working=False,
        ),
        Point(
            "two-permissions",
            (("session/prompt", (text(SO_FAR), _ONE, _TWO, wait_for_answers(), text(REST))),),
            _paused,
            paused=2,
            working=False,
        ),
        Point("decided", (("session/prompt", (text(SO_FAR), _TOUCH, gate(GATE), text(REST))),), _decided),
        Point(
            "denied",
            (
                ("session/prompt", (text(SO_FAR), _TOUCH)),
                ("session/prompt", (text(SO_FAR), gate(GATE), text(REST))),
            ),
            _denied,
        ),
        Point(
            "cancelling",
            (("session/prompt", (text(SO_FAR), sleep_until_cancel(), gate(GATE))),),
            _cancelling,
            working=False,
        ),
        Point("between", (("session/prompt", (text(SO_FAR),)),), _between, working=False),
    )
}
