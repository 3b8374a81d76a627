"""The scenarios by name, and how one is run: on a loop of its own, bounded, with nothing left behind."""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from tests.soak import agent_faults, client_faults, turn_faults
from tests.soak.agent_faults import FAULTS, Effect, Fault
from tests.soak.client_faults import CLIENT_FAULTS
from tests.soak.inside import Clock, inside
from tests.soak.points import POINTS, Point
from tests.soak.residue import forget_peak, nothing_left, open_files, peak_memory_mb
from tests.soak.served import Served, served
from tests.soak.server_faults import SERVER_FAULTS
from tests.soak.system_faults import SYSTEM_FAULTS
from tests.support.rogue import Rogue

if TYPE_CHECKING:
    from tests.soak.world import Took, World

LIMIT_S = 60.0
"""Of a scenario on the real clock, however its own clock jumps."""
HEAVY_LIMIT_S = 240.0
WRAPPED = 0.15
"""How often the agent runs one process further down, as by npx."""
RACES = 0.4
"""How often the turn goes on in the moment of the fault."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run came to; `problem` is empty where all was as it should be."""

    name: str
    seed: int
    problem: str = ""
    took: tuple[Took, ...] = ()
    memory_mb: float = 0.0
    """The server's at its peak."""
    lasted_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scenario measured; no memory: it ran in this process."""

    took: tuple[Took, ...]
    memory_mb: float | None = None


Play = Callable[[random.Random, Path], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault at one point."""

    fault: str
    point: str
    play: Play
    heavy: bool = False

    @property
    def served(self) -> bool:
        """Whether it needs a whole server."""
        return getattr(self.play, "func", None) is _play_served

    @property
    def name(self) -> str:
        """What `--only` takes."""
        return f"{self.fault}/{self.point}"


async def _play_inside(point: Point, fault: Fault, rng: random.Random, folder: Path) -> Seen:
    wrapped = fault.wrapped or (fault.effect is not Effect.ENDS and rng.random() < WRAPPED)
    race = rng.random() < RACES and not fault.heavy
    async with inside(rng, folder, wrapped=wrapped) as world:
        await turn_faults.play(world, point, fault, race=race)
    return Seen(tuple(world.took))


async def _play_client(
    point: Point, play: Callable[[World, Point], Awaitable[None]], rng: random.Random, folder: Path
) -> Seen:
    async with inside(rng, folder, wrapped=rng.random() < WRAPPED) as world:
        await point.reach(world)
        await play(world, point)
    return Seen(tuple(world.took))


async def _play_served(
    point: Point,
    play: Callable[[Served, Point], Awaitable[None]],
    rng: random.Random,
    folder: Path,
    *,
    wrapped: bool = False,
) -> Seen:
    with Rogue(folder, wrapped=rng.random() < WRAPPED or wrapped) as rogue:
        async with served(rogue, rng, folder) as world:
            await world.start()
            await play(world, point)
            await _files_are(await _clean_files(folder / "clean"), world)
        await rogue.is_gone()
    assert not list(world.temp().iterdir()), f"Left in the temp folder: {list(world.temp().iterdir())}"
    return Seen(tuple(world.took), world.memory_mb)


async def _files_are(clean: int, world: Served) -> None:
    """The server has so many files open, once a watchdog that is being started has been."""
    for _ in range(50):
        if open_files(world.pid) == clean:
            return
        await world.status()
    raise AssertionError(f"The server has {open_files(world.pid)} files open, and a new one {clean}")


async def _clean_files(folder: Path) -> int:
    """How many files a server has open to which nothing happened."""
    if not _CLEAN:
        folder.mkdir()
        with Rogue(folder) as rogue:
            async with served(rogue, random.Random(0), folder) as world:  # noqa: S311
                await world.start()
                await world.call("consult", question="Is it safe?")
                _CLEAN.append(open_files(world.pid))
    return _CLEAN[0]


_CLEAN: list[int] = []


async def _client_fault(play: Callable[[World, Point], Awaitable[None]], world: Served, point: Point) -> None:
    await point.reach(world)
    await play(world, point)


async def _agent_fault(fault: Fault, world: Served, point: Point) -> None:
    await turn_faults.play(world, point, fault)


SERVED_AGENT_FAULTS = (
    *("killed", "hangs-up", "stubborn", "frozen", "half-a-line", "fifty-asks", "late-update"),
    *("stderr-100-mb", "line-200-mb", "junk-1-gb", "thoughts-1-gb", "flood", "flood-of-text"),
    *("flood-of-requests", "requests-unread"),
)
"""Those that are tried with the whole server too: for what it needs of memory, and for what a client gets."""
FEW_POINTS = ("opening", "mid-stream", "permission", "cancelling", "between")
ANYWHERE = ("between",)
BY_NPX = ("sigterm", "claude-quits", "server-killed", "stdin-ends", "parent-dies")
"""What ends the server, tried always with an agent that runs one process further down too."""
AT = {"many-turns": ANYWHERE, "restart-storm": ("mid-stream", "permission", "between")}


def _of_servers() -> Iterator[Scenario]:
    """What happens to the server."""
    for name, play in (SERVER_FAULTS | SYSTEM_FAULTS).items():
        for point in AT.get(name, tuple(POINTS)):
            yield Scenario(name, point, partial(_play_served, POINTS[point], play), name in SLOW)
    for name in BY_NPX:
        for point in POINTS:
            by_npx = partial(_play_served, POINTS[point], SERVER_FAULTS[name], wrapped=True)
            yield Scenario(f"{name}-by-npx", point, by_npx)


def _of_both() -> Iterator[Scenario]:
    """What a client and an agent do, with a whole server between them."""
    for name, client_play in CLIENT_FAULTS.items():
        for point in POINTS:
            if client_faults.makes_sense(name, point):
                by_client = partial(_play_served, POINTS[point], partial(_client_fault, client_play))
                yield Scenario(f"server-{name}", point, by_client)
    for name in SERVED_AGENT_FAULTS:
        for point in FEW_POINTS:
            if agent_faults.makes_sense(FAULTS[name], point):
                by_agent = partial(_play_served, POINTS[point], partial(_agent_fault, FAULTS[name]))
                # Else it would have the name of the server's own death.
                name_there = "server-agent-killed" if name == "killed" else f"server-{name}"
                yield Scenario(name_there, point, by_agent, FAULTS[name].heavy)


SLOW = (
    "many-turns",
    "machine-sleeps",
    "argument-of-50-mb",
    "disk-full",
    "restart-storm",
    "unread-and-eof",
    "unread-and-sigterm",
)


def _all() -> list[Scenario]:
    of_agents = [
        Scenario(fault.name, point.name, partial(_play_inside, point, fault), fault.heavy)
        for fault in FAULTS.values()
        for point in POINTS.values()
        if agent_faults.makes_sense(fault, point.name)
    ]
    of_clients = [
        Scenario(name, point.name, partial(_play_client, point, play))
        for name, play in CLIENT_FAULTS.items()
        for point in POINTS.values()
        if client_faults.makes_sense(name, point.name)
    ]
    return [*of_agents, *of_clients, *_of_servers(), *_of_both()]


SCENARIOS = {scenario.name: scenario for scenario in _all()}
assert len(SCENARIOS) == len(_all()), "Two scenarios have one name"


def run(name: str, seed: int) -> Measured:
    """Run one scenario. Whatever goes wrong in it is its problem, not raised."""
    scenario = SCENARIOS[name]
    rng = random.Random(f"{name} {seed}")  # noqa: S311 (to be repeated, not to be secret)
    forget_peak()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            bounded = partial(_bounded, scenario, rng, Path(folder))
            seen = anyio.run(bounded, backend_options={"loop_factory": Clock})
    except Exception as error:  # noqa: BLE001 (it is told)
        return Measured(name, seed, _explain(error))
    memory_mb = peak_memory_mb() if seen.memory_mb is None else seen.memory_mb
    return Measured(name, seed, "", seen.took, memory_mb, time.monotonic() - began)


async def _bounded(scenario: Scenario, rng: random.Random, folder: Path) -> Seen:
    """With a limit that no jump of the clock reaches."""
    loop = asyncio.get_running_loop()
    stacks: list[str] = []
    limit_s = HEAVY_LIMIT_S if scenario.heavy else LIMIT_S

    def give_up() -> None:
        stacks.extend(f"{task.get_name()}:\n{_where(task)}" for task in asyncio.all_tasks())
        scope.cancel()

    timer = threading.Timer(limit_s, loop.call_soon_threadsafe, [give_up])
    timer.start()
    try:
        with nothing_left():
            with anyio.CancelScope() as scope:
                seen = await scenario.play(rng, folder)
            if scope.cancelled_caught:
                raise AssertionError("\n".join((f"It did not end in {limit_s} s.", *stacks)))
            await _settle()
    finally:
        timer.cancel()
    return seen


def _where(task: asyncio.Task[object]) -> str:
    """What it waits in; asyncio itself tells of the outermost function only."""
    lines = []
    waits: Any = task.get_coro()
    while (frame := getattr(waits, "cr_frame", None)) is not None:
        lines.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        waits = waits.cr_await
    return "\n".join(lines[-8:])


async def _settle() -> None:
    """Until what was cancelled is over: a bounded number of steps of the loop."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


def _explain(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return "".join(traceback.format_exception(error))
