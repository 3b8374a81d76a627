"""A selection of the campaign: each fault that is quickly brought about, once, always at the same point."""

from __future__ import annotations

from itertools import cycle

import pytest

from tests.soak.points import POINTS
from tests.soak.scenarios import SCENARIOS, run

SEED = 1
THROUGH_A_SERVER = (
    "sigterm-twice/mid-stream",
    "claude-quits-by-npx/cancelling",
    "server-killed/in-tool",
    "stdin-ends/permission",
    "client-vanishes/first-chunk",
    "stdout-closed/decided",
    "parent-dies/two-permissions",
    "garbage/denied",
    "state-read-only/mid-stream",
    "tmp-gone/opening",
    "few-files/mid-stream",
    "stderr-closed/permission",
    "server-agent-killed/mid-stream",
    "server-resets-in-a-crowd/in-tool",
)
"""Those that no test of tests/server is about. A server takes its time to start, and each starts two."""


def in_this_process() -> list[str]:
    """Every other fault that takes no seconds of its own, each at the next point that it makes sense at."""
    points = cycle(POINTS)
    served = {name.partition("/")[0] for name in SCENARIOS if SCENARIOS[name].served}
    faults = dict.fromkeys(scenario.fault for scenario in SCENARIOS.values() if not scenario.heavy)
    return [
        next(name for point in points if (name := f"{fault}/{point}") in SCENARIOS)
        for fault in faults
        if fault not in served
    ]


@pytest.mark.parametrize("name", [*in_this_process(), *THROUGH_A_SERVER])
def test_nothing_wedges_nothing_leaks_and_the_next_call_works(name: str) -> None:
    assert run(name, SEED).problem == ""
