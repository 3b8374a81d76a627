"""A turn of the real codex-acp through the server, against the same turn through a bare ACP client."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion.opening import ALWAYS
from tests.benchmarks.measure import Figure, at_most_more, in_turn
from tests.support.bare_client import BareClient
from tests.support.bench import home, model_environment, serving
from tests.support.real_agent import real_agent_command
from tests.support.scripted_model import Run, Say, ScriptedModel

if TYPE_CHECKING:
    from tests.support.scripted_model import Step

PAIRS = 40
ANSWER = Say("The lock is held while the callback runs. " * 20)
TURNS: dict[str, tuple[Step, ...]] = {
    "a turn that answers": ((ANSWER,),),
    "a turn that reads a file, then answers": ((Run("cat a.txt"),), (ANSWER,)),
}
QUESTION = "Is it safe?"


async def measure() -> list[Figure]:
    """Each on a session that is open already."""
    command = real_agent_command()
    with tempfile.TemporaryDirectory() as folder, ScriptedModel() as model, home() as user:
        workspace = Path(folder) / "workspace"
        workspace.mkdir()
        (workspace / "a.txt").write_text("the first line\n")
        agent = model_environment(model, user, command)
        # As the agent is by itself: what its sandbox costs is no difference between the two clients.
        server = agent | {"CODEX_FUSION_CONFINEMENT": "agent", "CODEX_FUSION_ALLOW_COMMANDS": "on"}
        bare = BareClient((str(command),), {**os.environ, **agent, **ALWAYS}, workspace)
        figures = []
        async with serving(workspace, server) as bench, bare:
            session, _ = await bare.open("new", cwd=str(workspace))
            for what, steps in TURNS.items():

                async def ours(steps: tuple[Step, ...] = steps) -> float:
                    model.script(*steps)
                    began = time.perf_counter()
                    result = await bench.call("explore", focus=QUESTION)
                    took = time.perf_counter() - began
                    assert result.text.startswith(ANSWER.text.strip()), result
                    return took

                async def theirs(steps: tuple[Step, ...] = steps) -> float:
                    model.script(*steps)
                    began = time.perf_counter()
                    assert await bare.prompt(session, QUESTION) == "end_turn"
                    return time.perf_counter() - began

                pairs = await in_turn(ours, theirs, pairs=PAIRS, warm=4)
                figures.append(at_most_more(what, pairs, 30))
        return figures
