"""From the first signal to the end of the server, when the agent does not want to end."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio.to_thread

from tests.benchmarks.measure import Figure
from tests.support.played import play
from tests.support.raw_mcp import RawMcp
from tests.support.rogue import Rogue
from tests.support.rogue_script import hang, ignore, text

RUNS = 10
LIMIT_MS = 400


async def measure() -> list[Figure]:
    """In mid-turn, with an agent that ignores SIGTERM and the end of its input."""
    took = [1e3 * await anyio.to_thread.run_sync(_end) for _ in range(RUNS)]
    measured = f"{median(took):.0f} ms (slowest {max(took):.0f} ms)"
    return [
        Figure(
            "SIGINT to the end, of a stubborn agent too", measured, f"≤ {LIMIT_MS} ms", max(took) <= LIMIT_MS
        )
    ]


def _end() -> float:
    with tempfile.TemporaryDirectory() as folder, Rogue(Path(folder)) as rogue:
        played = play(Path(folder), rogue)
        rogue.prompt(ignore("SIGTERM"), ignore("EOF"), text("so far"), hang())
        with RawMcp(played.workspace, played.environment) as client:
            client.greet()
            client.begin_tool("consult", question="q")
            rogue.wait_for("doing", do="hang")
            began = time.perf_counter()
            client.process.send_signal(signal.SIGINT)
            client.ended()
            took = time.perf_counter() - began
            rogue.wait_until_gone()
    return took
