"""`python -m tests.benchmarks [NAME …]`: measures what docs/performance.md states, and prints a table.

Each figure compares two things that are measured in turn in one run, so that a slow or busy machine shows
in both. Not a test: figures depend on the machine.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import anyio

from tests.benchmarks import confinement, end, hook, memory, start, turn

if TYPE_CHECKING:
    from tests.benchmarks.measure import Figure

BENCHMARKS = {
    "start": start.measure,
    "hook": hook.measure,
    "turn": turn.measure,
    "confinement": confinement.measure,
    "chunks": memory.chunks_of_text,
    "turns": memory.turns,
    "end": end.measure,
}


def main(names: list[str]) -> int:
    """Run these benchmarks, or all; 1 if a target is missed."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    figures: list[Figure] = []
    for name in names or BENCHMARKS:
        began = time.perf_counter()
        figures += anyio.run(BENCHMARKS[name])
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
    sys.stdout.write(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


def table(figures: list[Figure]) -> str:
    """In Markdown, as it stands in the documentation."""
    rows = [("what", "measured", "target", "")]
    rows += [(f.what, f.measured, f.target, "ok" if f.holds else "MISSED") for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
