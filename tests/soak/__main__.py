"""Run the campaign, or a part of it: `python -m tests.soak [--only FAULT/POINT] [--seed N] [--runs N]`.

A run depends on its scenario and its seed, and on nothing that was run before it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import starmap
from typing import TYPE_CHECKING

from tests.soak.scenarios import SCENARIOS, Measured, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.soak.world import Took

MEMORY_LIMIT_MB = 200.0
CLIENT_SENT_MB = 50.0
"""Where a client sends that much in one argument, mcp holds it in three copies while it is read."""


def judge(measured: Measured) -> str:
    """What is wrong with a run, limits among it; empty: nothing."""
    if measured.problem:
        return measured.problem
    slow = [
        f"{took.what}: {took.seconds:.2f} s, allowed are {took.limit_s} s"
        for took in measured.took
        if took.seconds > took.limit_s
    ]
    limit_mb = MEMORY_LIMIT_MB + CLIENT_SENT_MB * measured.name.startswith("argument-of-50-mb/")
    if measured.memory_mb > limit_mb:
        slow.append(f"memory: {measured.memory_mb:.0f} MB, allowed are {limit_mb:.0f} MB")
    return "\n".join(slow)


def plan(only: str, first_seed: int, runs: int) -> Iterator[tuple[str, int]]:
    """Every scenario with the first seed, then, without those that take long, with the next, and so on."""
    names = [name for name in SCENARIOS if fnmatchcase(name, only)]
    again = [name for name in names if not SCENARIOS[name].heavy] or names
    seed = first_seed
    while runs > 0 and names:
        for name in (names if seed == first_seed else again)[:runs]:
            yield name, seed
        runs -= len(names if seed == first_seed else again)
        seed += 1


def main(arguments: list[str]) -> int:
    """Print a line for each run that failed, and a summary. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--only", default="*", help="scenarios by name, with * and ? (killed/permission)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next one")
    parser.add_argument("--runs", type=int, default=None, help="default: each once, and 1000 of all")
    parser.add_argument("--jobs", type=int, default=1, help="at once; limits of time need a core for each")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios")
    options = parser.parse_args(arguments)
    if options.list:
        sys.stdout.write("\n".join((*SCENARIOS, "")))
        return 0
    runs = options.runs or max(1000, len(SCENARIOS))
    if options.runs is None and options.only != "*":
        runs = sum(fnmatchcase(name, options.only) for name in SCENARIOS)
    began = time.monotonic()
    done: list[Measured] = []
    failed = 0
    with _workers(options.jobs) as each:
        for measured in each(plan(options.only, options.seed, runs)):
            done.append(measured)
            failed += _tell(measured, quiet=options.only == "*")
            if len(done) % 100 == 0:
                sys.stdout.write(f"        {len(done)} of {runs} runs, {failed} failed\n")
            sys.stdout.flush()
    summarize(done, failed, time.monotonic() - began)
    return 1 if failed or not done else 0


def _tell(measured: Measured, *, quiet: bool) -> bool:
    """Print what a run came to; whether it failed."""
    name, seed = measured.name, measured.seed
    problem = judge(measured)
    if problem:
        sys.stdout.write(f"FAILED  {name} seed {seed}\n{problem}\n")
        sys.stdout.write(f"Again:  python -m tests.soak --only '{name}' --seed {seed}\n")
    elif not quiet:
        sys.stdout.write(f"ok      {name} seed {seed} ({measured.lasted_s:.1f} s)\n")
    return bool(problem)


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[[Iterator[tuple[str, int]]], Iterator[Measured]]]:
    """What runs a plan: this process, or so many that are new."""
    if jobs == 1:
        yield lambda planned: starmap(run, planned)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda planned: pool.map(run, *zip(*planned, strict=True))


def summarize(done: list[Measured], failed: int, lasted_s: float) -> None:
    """What stands in the closing note."""
    names = {measured.name for measured in done}
    seeds = sorted({measured.seed for measured in done})
    lines = [
        f"runs:      {len(done)} in {lasted_s:.0f} s",
        f"scenarios: {len(names)} ({len({name.partition('/')[0] for name in names})} faults)",
        f"seeds:     {seeds[0]} to {seeds[-1]}" if seeds else "seeds:     none",
        f"failures:  {failed}",
    ]
    if done:
        most = max(done, key=lambda measured: measured.memory_mb)
        lines.append(f"memory:    {most.memory_mb:.0f} MB at the peak ({most.name} seed {most.seed})")
    slowest: dict[str, tuple[Took, Measured]] = {}
    for measured in done:
        for took in measured.took:
            if took.what not in slowest or slowest[took.what][0].seconds < took.seconds:
                slowest[took.what] = (took, measured)
    lines += [
        f"slowest:   {took.seconds:.2f} s {what} "
        f"({measured.name} seed {measured.seed}; allowed {took.limit_s} s)"
        for what, (took, measured) in slowest.items()
    ]
    sys.stdout.write("\n".join((*lines, "")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
