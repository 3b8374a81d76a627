"""What each start of Claude Code waits for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio.to_thread

from tests.benchmarks.measure import Figure, at_most_ratio, in_turn

PAIRS = 60
HOOK = Path(__file__).parents[2] / "hooks" / "session_reset.py"
PYTHON = str(Path(sys.executable).resolve())
"""Not a launcher's shim of it, which may take longer than all else."""


async def measure() -> list[Figure]:
    """The hook against `python3 -c pass`, on the event that writes and on one that does not."""
    nothing = partial(_run, (PYTHON, "-c", "pass"), b"", {})
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {"HOME": folder}
        for source in ("startup", "clear"):
            event = {
                "session_id": "0b5e…",
                "cwd": folder,
                "hook_event_name": "SessionStart",
                "source": source,
            }
            hook = partial(_run, (PYTHON, str(HOOK)), json.dumps(event).encode(), environment)
            pairs = await in_turn(hook, nothing, pairs=PAIRS, warm=3)
            figures.append(at_most_ratio(f"the hook on `{source}`", pairs, 1.5))
    return figures


async def _run(argv: tuple[str, ...], event: bytes, environment: dict[str, str]) -> float:
    return await anyio.to_thread.run_sync(_timed, argv, event, environment)


def _timed(argv: tuple[str, ...], event: bytes, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, input=event, env={**os.environ, **environment}, check=True, capture_output=True)
    return time.perf_counter() - began
