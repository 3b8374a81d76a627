"""What it costs at a session's start that Codex is confined, and that this is verified."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from tests.benchmarks.measure import Figure, at_most_more, in_turn
from tests.support.bench import home, model_environment, serving
from tests.support.real_agent import real_agent_command
from tests.support.scripted_model import Say, ScriptedModel

PAIRS = 10


async def measure() -> list[Figure]:
    """The first consult of a server in `strict`, against one that leaves the agent as it is."""
    with tempfile.TemporaryDirectory() as folder, ScriptedModel() as model, home() as user:
        workspace = Path(folder) / "workspace"
        workspace.mkdir()
        environment = model_environment(model, user, real_agent_command())
        strict, agent = (
            partial(_first_consult, workspace, environment | {"CODEX_FUSION_CONFINEMENT": how}, model)
            for how in ("strict", "agent")
        )
        pairs = await in_turn(strict, agent, pairs=PAIRS)
    return [at_most_more("the first consult, confined (`strict`) and not (`agent`)", pairs, 400)]


async def _first_consult(workspace: Path, environment: dict[str, str], model: ScriptedModel) -> float:
    model.script(Say("Yes."))
    async with serving(workspace, environment) as bench:
        began = time.perf_counter()
        result = await bench.call("consult", question="Is it safe?")
        took = time.perf_counter() - began
    assert result.status == "answered", result
    return took
