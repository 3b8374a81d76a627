"""Turns over MCP, with an agent that does what a script says: what a client gets, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.server.test_protocol import MODES
from tests.support.played import Background
from tests.support.rogue_script import ask, chunks, gate, text, thought, tool

if TYPE_CHECKING:
    from mcp.client.client import ConnectMode

    from tests.support.played import Played

pytestmark = pytest.mark.anyio

CHUNKS = 20_000


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_brings_the_answer_its_meta_and_rising_progress(
    played: Played, mode: ConnectMode
) -> None:
    played.rogue.prompt(
        thought("a hard one"), gate("think"), tool("t", "Read a.txt"), gate("read"), text("the answer")
    )
    async with played.serving(mode) as bench, anyio.create_task_group() as tasks:
        call = Background(tasks, bench, "consult", question="q")
        await call.seen("💭 a hard one")
        played.rogue.open("think")
        await call.seen("↳ Read a.txt")
        played.rogue.open("read")
        result = await call.result()
    answer, _, footer = result.text.partition("\n\n— Codex · ")
    assert answer == "the answer"
    assert "new session" in footer
    assert not result.is_error
    assert result.meta == {
        "status": "answered",
        "tool": "consult",
        "turn": 1,
        "verdict": None,
        "stop_reason": "end_turn",
        "seconds": result.meta["seconds"],
        "usage": {"total": 1050, "input": 800, "cached": 200, "output": 50, "thought": 5},
        "session": {"id": "rogue-1-1", "new": True, "round": 1},
        "requests": [],
    }
    assert result.progress[-1] == "the answer"
    assert result.counters == sorted(set(result.counters))


async def test_not_one_of_20_000_pieces_of_text_is_lost_or_misplaced(played: Played) -> None:
    played.rogue.prompt(chunks(CHUNKS))
    async with played.serving() as bench:
        result = await bench.call("consult", question="q")
        after = await bench.call("consult", question="and?")
    answer, _, _ = result.text.partition("\n\n— Codex · ")
    assert answer.split() == [f"chunk-{number}" for number in range(CHUNKS)]
    assert len(result.progress) < CHUNKS / 100
    assert result.progress[-1].endswith(f"chunk-{CHUNKS - 1}")
    assert after.meta["session"]["new"] is False


async def test_calls_are_served_in_their_order_and_each_that_waits_says_so(played: Played) -> None:
    played.rogue.prompt(text("one"), gate("one")).prompt(text("two")).prompt(text("three"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        first = await Background(tasks, bench, "consult", question="Q1").seen("one")
        second = await Background(tasks, bench, "explore", focus="Q2").seen("waiting for turn 1 (consult)")
        third = await Background(tasks, bench, "consult", question="Q3").seen("waiting for turn 1")
        status = await bench.call("status")
        assert not first.is_over
        played.rogue.open("one")
        results = [await call.result() for call in (first, second, third)]
    assert "turn 1 (consult) is running" in status.text
    assert "2 calls waiting" in status.text
    assert [result.text.partition("\n")[0] for result in results] == ["one", "two", "three"]
    for number, prompt in enumerate(played.rogue.prompts(), 1):
        assert f"Q{number}" in prompt


async def test_a_queued_call_that_is_cancelled_costs_no_turn_and_no_place(played: Played) -> None:
    played.rogue.prompt(text("one"), gate("one")).prompt(text("three"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        first = await Background(tasks, bench, "consult", question="Q1").seen("one")
        second = await Background(tasks, bench, "consult", question="Q2").seen("waiting for turn 1")
        third = await Background(tasks, bench, "consult", question="Q3").seen("waiting for turn 1")
        await second.cancel()
        played.rogue.open("one")
        results = [await first.result(), await third.result()]
    assert [result.text.partition("\n")[0] for result in results] == ["one", "three"]
    assert [result.meta["turn"] for result in results] == [1, 2]
    assert len(played.rogue.prompts()) == 2
    assert "Q2" not in str(played.rogue.prompts())
    assert played.rogue.log("session/cancel") == []


async def test_while_codex_waits_for_a_permit_every_other_call_is_told_of_it_at_once(played: Played) -> None:
    played.rogue.prompt(text("first"), gate("ask"), ask("touch x"), text("done", message="last"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        asked = await Background(tasks, bench, "consult", question="Q1").seen("first")
        queued = await Background(tasks, bench, "consult", question="Q2").seen("waiting for turn 1")
        played.rogue.open("ask")
        paused, told = await asked.result(), await queued.result()
        later = await bench.call("brainstorm", problem="Q3")
        status = await bench.call("status")
        answered = await bench.call("permit", decision="allow")
        after = await bench.call("reply", message="Q4")
    assert paused.status == "permission"
    for busy in (told, later):
        assert busy.is_error
        assert busy.status == "busy"
        assert busy.requests == paused.requests
        assert "Not asked" in busy.text
        assert "touch x" in busy.text
    assert "waits for `permit`" in status.text
    assert answered.text.startswith("done\n\n")
    assert answered.meta["turn"] == paused.meta["turn"] == 1
    assert after.meta["session"]["round"] == 2
    assert [q for q in ("Q1", "Q2", "Q3", "Q4") if q in str(played.rogue.prompts())] == ["Q1", "Q4"]


async def test_two_permits_for_one_request_at_once_decide_it_once(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), gate("after"), text("done"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        paused = await bench.call("consult", question="q")
        [request] = paused.requests
        one = Background(tasks, bench, "permit", decision="allow", request=request)
        two = Background(tasks, bench, "permit", decision="deny", request=request)
        await played.rogue.happens("answer")
        played.rogue.open("after")
        results = [await one.result(), await two.result()]
    assert sorted(result.is_error for result in results) == [False, True]
    refused = next(result for result in results if result.is_error)
    assert "allowed by Claude" in refused.text
    assert len(played.rogue.answers()) == 1
