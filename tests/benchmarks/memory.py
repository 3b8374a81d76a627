"""What the server keeps: through floods of text, and over many turns."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from tests.benchmarks.measure import MB, Figure, peak, resident
from tests.support.played import play
from tests.support.raw_mcp import RawMcp
from tests.support.rogue import Rogue
from tests.support.rogue_script import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNKS = 20_000
FLOODS = 10
TURNS = 1_000
WARM = 50
FLAT_MB = 5.0
"""Growth beyond this is growth."""
MOST_MB = 200.0
"""More than this is never taken, whatever the agent sends."""


async def chunks_of_text() -> list[Figure]:
    """Turns of 20,000 pieces of text each."""
    return await anyio.to_thread.run_sync(_chunks)


async def turns() -> list[Figure]:
    """A thousand short turns on one session."""
    return await anyio.to_thread.run_sync(_turns)


def _chunks() -> list[Figure]:
    expected = " ".join(f"chunk-{number}" for number in range(CHUNKS))
    whole = 0
    with _server() as (rogue, client):
        rogue.always("session/prompt", chunks(CHUNKS))
        after = []
        for _ in range(FLOODS):
            whole += _turn(client).startswith(f"{expected}\n\n")
            after.append(resident(client.process.pid))
        most = peak(client.process.pid)
    growth = (max(after) - after[0]) / MB
    return [
        Figure(f"turns of {CHUNKS:,} pieces that came whole", f"{whole} of {FLOODS}", "all", whole == FLOODS),
        Figure(
            "memory that the server keeps of them, from the first to the last",
            f"{growth:+.1f} MB (to {after[0] / MB:.0f} MB)",
            f"≤ +{FLAT_MB:g} MB",
            growth <= FLAT_MB,
        ),
        Figure(
            "memory that it has at any moment of them",
            f"{most / MB:.0f} MB",
            f"≤ {MOST_MB:g} MB",
            most <= MOST_MB * MB,
        ),
    ]


def _turns() -> list[Figure]:
    with _server() as (_, client):
        for _ in range(WARM):
            _turn(client)
        before = resident(client.process.pid)
        for _ in range(TURNS):
            _turn(client)
        after = resident(client.process.pid)
    growth = (after - before) / MB
    return [
        Figure(
            f"memory that the server keeps of {TURNS:,} turns",
            f"{growth:+.1f} MB (to {before / MB:.0f} MB)",
            f"≤ +{FLAT_MB:g} MB",
            growth <= FLAT_MB,
        )
    ]


@contextmanager
def _server() -> Iterator[tuple[Rogue, RawMcp]]:
    with tempfile.TemporaryDirectory() as folder, Rogue(Path(folder)) as rogue:
        played = play(Path(folder), rogue)
        with RawMcp(played.workspace, played.environment) as client:
            client.greet()
            yield rogue, client


def _turn(client: RawMcp) -> str:
    response = client.until_response(client.begin_tool("explore", focus="q"))[-1]
    text = response["result"]["content"][0]["text"]
    assert not response["result"].get("isError"), text
    return str(text)
