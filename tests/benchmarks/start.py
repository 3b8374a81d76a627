"""From the start of the process to the answer of `tools/list`."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio.to_thread

from tests.benchmarks.measure import Figure, at_most_ratio, in_turn
from tests.support.raw_mcp import RawMcp

PAIRS = 20
OURS = (sys.executable, "-m", "codex_fusion.cli", "serve")
THEIRS = (sys.executable, str(Path(__file__).with_name("two_tools.py")))


async def measure() -> list[Figure]:
    """Against a two-tool server made with the mcp package alone."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (partial(_start, argv, Path(folder)) for argv in (OURS, THEIRS))
        pairs = await in_turn(ours, theirs, pairs=PAIRS, warm=2)
    return [at_most_ratio("start to the answer of `tools/list`", pairs, 1.15)]


async def _start(argv: tuple[str, ...], folder: Path) -> float:
    return await anyio.to_thread.run_sync(_start_and_list, argv, folder)


def _start_and_list(argv: tuple[str, ...], folder: Path) -> float:
    began = time.perf_counter()
    with RawMcp(folder, {}, command=argv) as client:
        client.greet()
        client.list_tools()
        took = time.perf_counter() - began
        client.hang_up()
        client.ended()
    return took
