"""Who waits for whom: one turn at a time, nobody waits behind a pause, and every wait can be given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.errors import CallError
from codex_fusion.outcome import Status
from tests.support.fake_agent import settle

if TYPE_CHECKING:
    from codex_fusion.outcome import Outcome
    from tests.support.desk import Call, Desk

pytestmark = pytest.mark.anyio


async def queued(desk: Desk, tool: str = "consult") -> Call[Outcome]:
    call = desk.ask(tool)
    await call.seen("waiting for turn")
    return call


async def test_calls_are_taken_in_the_order_in_which_they_came(desk: Desk) -> None:
    calls = [desk.ask("consult"), await queued(desk, "explore"), await queued(desk, "brainstorm")]
    assert desk.session.snapshot().waiting == 2
    for tool in ("consult", "explore", "brainstorm"):
        prompt = await desk.prompt()
        await settle()
        assert len(desk.agent.prompts) == desk.agent.prompts.index(prompt) + 1, "one turn at a time"
        prompt.answers(tool)
    assert [(await call.outcome()).text for call in calls] == ["consult", "explore", "brainstorm"]
    assert [call.shown[0] for call in calls[1:]] == ["↳ waiting for turn 1 (consult) to end"] * 2


async def test_a_call_that_waits_can_be_given_up_and_the_others_keep_their_place(desk: Desk) -> None:
    first, second, third = desk.ask(), await queued(desk), await queued(desk)
    prompt = await desk.prompt()
    await second.cancel()
    assert not first.over
    assert not third.over
    prompt.answers("first")
    assert (await first.outcome()).text == "first"
    (await desk.prompt()).answers("third")
    assert (await third.outcome()).text == "third"
    assert desk.session.snapshot().turns == 2, "what was given up spent no turn"
    assert not any(call.startswith("cancel") for call in desk.agent.calls)


async def test_while_codex_waits_a_call_returns_at_once_with_what_is_open(desk: Desk) -> None:
    prompt, paused = await desk.paused("touch x", "touch y")
    busy = await desk.ask("explore").outcome()
    assert (busy.status, busy.tool, busy.turn) == (Status.BUSY, "explore", 1)
    assert busy.requests == paused.requests
    assert busy.session_id == "s1"
    assert busy.problem is not None
    assert "still waits for a decision in turn 1 (consult)" in busy.problem.message
    assert not prompt.ended
    assert desk.agent.calls == ["prompt"], "the paused turn was left alone"
    assert desk.session.snapshot().turns == 1


async def test_calls_that_are_queued_behind_a_turn_that_pauses_return_at_once(desk: Desk) -> None:
    first, second, third = desk.ask(), await queued(desk), await queued(desk, "reply")
    (await desk.prompt()).asks()
    assert (await first.outcome()).status is Status.PERMISSION
    outcomes = [await call.outcome() for call in (second, third)]
    assert [outcome.status for outcome in outcomes] == [Status.BUSY, Status.BUSY]
    assert [[r.id for r in outcome.requests] for outcome in outcomes] == [["r1"], ["r1"]]


async def test_calls_that_are_queued_behind_a_permit_wait_for_its_segment_only(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    permit = desk.permit()
    await desk.changes.until(lambda: bool(desk.agent.answered))
    waiting = await queued(desk)
    prompt.asks("touch y")
    assert (await permit.outcome()).status is Status.PERMISSION
    busy = await waiting.outcome()
    assert [request.id for request in busy.requests] == ["r2"]


# A turn that nobody waits for: its open requests were withdrawn, so it goes on by itself.


async def unattended(desk: Desk) -> None:
    """Turn 1 goes on, and its call has long returned."""
    prompt, _ = await desk.paused()
    prompt.withdraws(1)
    await desk.changes.until(lambda: bool(desk.agent.answered))
    assert desk.agent.answered == [(1, None)]
    assert desk.session.snapshot().turn is not None


async def test_a_call_waits_for_a_turn_that_goes_on_by_itself_and_brings_its_answer_along(desk: Desk) -> None:
    await unattended(desk)
    call = await queued(desk)
    desk.agent.prompts[0].answers("the first answer")
    (await desk.prompt()).answers("the second answer")
    outcome = await call.outcome()
    assert (outcome.turn, outcome.text) == (2, "the second answer")
    (notice,) = outcome.notices
    assert notice.startswith("Turn 1 (consult) ended while nobody waited for it: answered.")
    assert "the first answer" in notice


async def test_a_call_behind_a_turn_that_goes_on_by_itself_returns_when_that_pauses_again(desk: Desk) -> None:
    await unattended(desk)
    call = await queued(desk)
    desk.agent.prompts[0].asks("touch y")
    busy = await call.outcome()
    assert (busy.status, [request.id for request in busy.requests]) == (Status.BUSY, ["r2"])
    permit = desk.permit()
    await desk.changes.until(lambda: (2, "yes") in desk.agent.answered)
    desk.agent.prompts[0].answers("after all")
    assert (await permit.outcome()).text == "after all"


async def test_a_call_behind_a_turn_that_goes_on_by_itself_can_be_given_up(desk: Desk) -> None:
    await unattended(desk)
    call = await queued(desk)
    await call.cancel()
    assert desk.session.snapshot().turn is not None, "what it waited for goes on"
    desk.agent.prompts[0].answers("alone")
    await settle()
    assert (await desk.permit().outcome()).text == "alone", "the next permit brings what nobody was told"


async def test_what_happens_after_a_call_has_returned_is_not_shown_to_it(desk: Desk) -> None:
    await unattended(desk)
    (call,) = desk.calls
    before = list(call.shown)
    desk.agent.prompts[0].says("by myself")
    await settle()
    assert desk.session.snapshot().turn is not None
    assert call.shown == before


async def test_a_permit_for_a_turn_that_goes_on_by_itself_says_so(desk: Desk) -> None:
    await unattended(desk)
    with pytest.raises(CallError, match=r"turn 1 \(consult\) is running and waits for no decision"):
        await desk.permit().outcome()
    with pytest.raises(CallError, match="r1 can't be decided any more: it was withdrawn"):
        await desk.permit(request="r1").outcome()


async def test_a_permit_in_the_moment_in_which_requests_are_gathered_is_not_lost(desk: Desk) -> None:
    await unattended(desk)
    desk.agent.prompts[0].asks("touch y")
    await settle()
    permit = desk.permit(request="r2")
    await desk.changes.until(lambda: (2, "yes") in desk.agent.answered)
    desk.agent.prompts[0].answers("done")
    assert (await permit.outcome()).text == "done"


# Giving up, at every point of a call's life


async def test_giving_up_while_the_session_is_opened_leaves_nothing_behind(desk: Desk) -> None:
    desk.opener.gate = anyio.Event()
    call = desk.ask()
    await call.seen("opening")
    await call.cancel()
    await settle()
    assert desk.session.snapshot().turn is None
    assert desk.session.snapshot().conversation is None
    desk.opener.gate = None
    assert (await desk.answered()).new_session


async def test_giving_up_while_codex_works_sends_a_cancel_and_keeps_the_session(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.says("so far")
    await call.cancel()
    second = await desk.answered()
    assert desk.agent.calls[:2] == ["prompt", "cancel s1"]
    assert "kill" not in desk.agent.calls
    assert (second.session_id, second.new_session) == ("s1", False)
    assert second.notices == (), "who gives up wants to hear no more of it"
    assert [(r["status"], r["text"]) for r in desk.records()] == [
        ("cancelled", "so far"),
        ("answered", "yes"),
    ]


async def test_an_agent_that_ignores_the_cancel_is_killed_after_the_grace(desk: Desk) -> None:
    call = desk.ask()
    await desk.prompt()
    desk.agent.obeys = False
    await call.cancel()
    second = desk.ask()
    await second.seen("waiting for turn 1 (consult) to end")
    (await desk.prompt()).answers()
    outcome = await second.outcome()
    first, last = desk.opener.agents
    assert first.calls == ["prompt", "cancel s1", "kill"]
    assert (outcome.session_id, outcome.new_session) == ("s2", True)
    assert last.prompts[0].text == "consult 1"


async def test_giving_up_while_requests_are_gathered_settles_them(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.asks()
    await call.seen("asks r1")
    await call.cancel()
    await settle()
    assert desk.agent.calls == ["prompt", "cancel s1", "answer 1 None"]


async def test_giving_up_a_permit_in_progress_ends_the_turn(desk: Desk) -> None:
    await desk.paused()
    permit = desk.permit()
    await desk.changes.until(lambda: bool(desk.agent.answered))
    await permit.cancel()
    await settle()
    assert desk.agent.calls == ["prompt", "answer 1 yes", "cancel s1"]
    with pytest.raises(CallError, match="cancelled by the client"):
        await desk.permit().outcome()


async def test_giving_up_at_the_very_moment_of_a_decision_settles_the_request(desk: Desk) -> None:
    await desk.paused()
    permit = desk.permit()
    await permit.cancel()
    await settle()
    assert len(desk.agent.answered) <= 1
    assert desk.session.snapshot().turn is None


async def test_giving_up_a_permit_that_waits_its_turn_leaves_the_other_alone(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    first = desk.permit(request="r1", allow=False)
    second = desk.permit(request="r2")
    await second.seen("waiting for turn 1")
    await second.cancel()
    prompt.ends("cancelled")
    again = await desk.prompt()
    assert "touch x" in again.text
    again.answers("without it")
    assert (await first.outcome()).text == "without it"


async def test_a_call_given_up_in_the_moment_in_which_its_turn_ends_leaves_nothing(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.answers("too late")
    await call.cancel()
    assert (await desk.answered()).notices == ()
