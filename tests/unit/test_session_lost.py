"""Codex's own process ends under the agent, which tells it with the next prompt and would start him anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codex_fusion.events import SessionFailure, Text, Thought, ToolCall, ToolUpdate
from codex_fusion.outcome import Status

if TYPE_CHECKING:
    from codex_fusion.events import Incoming
    from tests.support.desk import Desk

pytestmark = pytest.mark.anyio

LOST = SessionFailure("connection", "Connection to Codex was lost.")


async def test_a_codex_that_died_between_turns_is_asked_again_in_the_same_session(desk: Desk) -> None:
    await desk.answered()
    call = desk.ask()
    lost = await desk.prompt()
    lost.ends(failure=LOST)
    again = await desk.prompt()
    assert (again.session_id, again.text) == (lost.session_id, lost.text)
    again.answers("Here I am.")
    outcome = await call.outcome()
    assert (outcome.status, outcome.text) == (Status.ANSWERED, "Here I am.")
    assert "↳ Codex's own process had ended: he is asked again" in call.shown


async def test_a_codex_that_dies_once_more_is_not_asked_a_third_time(desk: Desk) -> None:
    await desk.answered()
    call = desk.ask()
    for _ in range(2):
        (await desk.prompt()).ends(failure=LOST)
    outcome = await call.outcome()
    assert outcome.status is Status.FAILED
    assert len(desk.agent.prompts) == 3


@pytest.mark.parametrize("heard", [Text("I see.", "m1"), Thought("hm"), ToolUpdate(ToolCall("t", "Read a"))])
async def test_a_codex_that_died_at_work_is_not_asked_again(desk: Desk, heard: Incoming) -> None:
    await desk.answered()
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.emits(heard)
    prompt.ends(failure=LOST)
    assert (await call.outcome()).status is Status.FAILED
    assert len(desk.agent.prompts) == 2


async def test_a_codex_that_died_is_not_asked_again_for_whoever_gave_up(desk: Desk) -> None:
    await desk.answered()
    desk.ask()
    prompt = await desk.prompt()
    desk.agent.obeys = False
    reset = desk.reset()
    await desk.changes.until(lambda: any("cancel" in did for did in desk.agent.calls))
    prompt.ends(failure=LOST)
    await reset.outcome()
    assert len(desk.agent.prompts) == 2
