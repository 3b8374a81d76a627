"""What the benchmarks share: a figure, and the ways to come to one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    target: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Pairs:
    """Seconds of two things that were measured in turn."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The median of each pair's ratio."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def difference_ms(self) -> float:
        """The median of each pair's difference."""
        return 1e3 * median(ours - theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        return f"{1e3 * median(self.ours):.0f} ms against {1e3 * median(self.theirs):.0f} ms"


async def in_turn(
    ours: Callable[[], Awaitable[float]], theirs: Callable[[], Awaitable[float]], *, pairs: int, warm: int = 1
) -> Pairs:
    """Measure both, one after the other, so many times; what is measured first changes each time."""
    measured = Pairs([], [])
    for number in range(-warm, pairs):
        first, second = (ours, theirs) if number % 2 else (theirs, ours)
        one, two = await first(), await second()
        if number >= 0:
            measured.ours.append(one if number % 2 else two)
            measured.theirs.append(two if number % 2 else one)
    return measured


def at_most_ratio(what: str, pairs: Pairs, limit: float) -> Figure:
    return Figure(what, f"{pairs.ratio:.2f} times ({pairs})", f"≤ {limit:g} times", pairs.ratio <= limit)


def at_most_more(what: str, pairs: Pairs, limit_ms: float) -> Figure:
    more = pairs.difference_ms
    return Figure(what, f"{more:+.0f} ms ({pairs})", f"≤ +{limit_ms:g} ms", more <= limit_ms)


def resident(pid: int) -> int:
    """The bytes of memory that a process has now."""
    return _kilobytes(pid, "VmRSS:") << 10


def peak(pid: int) -> int:
    """The most that it ever had."""
    return _kilobytes(pid, "VmHWM:") << 10


def _kilobytes(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
