"""What `permit` does: the same turn goes on, each request is decided once, a permit for nothing says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codex_fusion.errors import CallError
from codex_fusion.outcome import Status
from codex_fusion.permissions import FATES_LIMIT
from tests.support.fake_agent import NO, ONCE, STANDING, settle

if TYPE_CHECKING:
    from codex_fusion.outcome import Outcome
    from tests.support.desk import Call, Desk

pytestmark = pytest.mark.anyio


def ids(outcome: Outcome) -> list[str]:
    return [request.id for request in outcome.requests]


async def decided(desk: Desk, key: int) -> None:
    """Until the agent has its answer."""
    await desk.changes.until(lambda: any(answered == key for answered, _ in desk.agent.answered))


async def refused(call: Call[Outcome]) -> str:
    """What the permit is told instead."""
    with pytest.raises(CallError) as error:
        await call.outcome()
    return error.value.explain()


# --- deciding


async def test_a_request_pauses_the_turn_and_an_allow_resumes_it(desk: Desk) -> None:
    prompt, paused = await desk.paused("touch x")
    assert (ids(paused), paused.requests[0].what, paused.requests[0].why) == (
        ["r1"],
        "touch x",
        "may do harm",
    )
    permit = desk.permit()
    await decided(desk, 1)
    prompt.answers("done")
    outcome = await permit.outcome()
    assert (outcome.status, outcome.turn, outcome.text) == (Status.ANSWERED, 1, "done")
    assert desk.agent.calls == ["prompt", "answer 1 yes"]
    assert "↳ allowed r1: touch x" in permit.shown


async def test_what_the_guardian_allows_pauses_nothing_and_is_told(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.asks("cat a")
    await decided(desk, 1)
    prompt.answers("read")
    assert (await call.outcome()).text == "read"
    assert "↳ allowed: cat a (only reads)" in call.shown


async def test_a_denial_that_ends_the_agents_turn_is_told_to_him_and_he_answers(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x")
    permit = desk.permit(allow=False, note="look at the log")
    await decided(desk, 1)
    prompt.ends("cancelled")
    again = await desk.prompt()
    assert again.session_id == "s1"
    assert "touch x" in again.text
    assert "look at the log" in again.text
    again.answers("from the log")
    outcome = await permit.outcome()
    assert (outcome.status, outcome.text, outcome.turn) == (Status.ANSWERED, "from the log", 1)
    assert outcome.usage is not None
    assert outcome.usage.total == 200, "of both prompts"
    assert "↳ denied r1: touch x — look at the log" in permit.shown


async def test_each_denial_is_told_once(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x")
    for key, command in enumerate(("touch x", "touch y"), 1):
        permit = desk.permit(allow=False)
        await decided(desk, key)
        prompt.ends("cancelled")
        prompt = await desk.prompt()
        assert command in prompt.text
        if command == "touch x":
            prompt.asks("touch y")
            await permit.outcome()
    assert "touch x" not in prompt.text
    prompt.answers()
    await permit.outcome()


async def test_a_denial_that_ends_nothing_is_not_told_twice(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    permit = desk.permit(allow=False)
    await decided(desk, 1)
    prompt.answers("another way")
    assert (await permit.outcome()).text == "another way"
    assert len(desk.agent.prompts) == 1


async def test_an_agent_without_a_way_to_refuse_once_is_told_that_the_request_is_cancelled(
    desk: Desk,
) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.asks(options=(ONCE, STANDING))
    await call.outcome()
    permit = desk.permit(allow=False)
    await decided(desk, 1)
    assert desk.agent.answered == [(1, None)]
    prompt.ends("cancelled")
    (await desk.prompt()).answers()
    await permit.outcome()


@pytest.mark.parametrize("options", [(STANDING, NO), (STANDING,), ()])
async def test_what_can_be_allowed_only_for_good_can_not_be_allowed(
    desk: Desk, options: tuple[object, ...]
) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.asks(options=options)  # type: ignore[arg-type]
    await call.outcome()
    assert "no way to allow it only once" in await refused(desk.permit())
    assert desk.agent.answered == [], "and it is still open"
    permit = desk.permit(allow=False)
    await decided(desk, 1)
    prompt.answers()
    await permit.outcome()


# --- several requests


async def test_requests_that_come_together_are_reported_together_and_one_must_be_named(desk: Desk) -> None:
    prompt, paused = await desk.paused("touch x", "touch y")
    assert ids(paused) == ["r1", "r2"]
    told = await refused(desk.permit())
    assert "name one in `request`" in told
    assert "r1: touch x; r2: touch y" in told
    still = await desk.permit(request="r2").outcome()
    assert (still.status, ids(still)) == (Status.PERMISSION, ["r1"])
    last = desk.permit()
    await decided(desk, 1)
    prompt.answers()
    await last.outcome()
    assert desk.agent.answered == [(2, "yes"), (1, "yes")]


async def test_a_denial_that_ends_the_turn_withdraws_the_others_and_he_is_told_that_too(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    permit = desk.permit(request="r1", allow=False)
    await decided(desk, 1)
    prompt.ends("cancelled")
    again = await desk.prompt()
    assert "touch y" in again.text
    again.answers()
    await permit.outcome()
    assert desk.agent.answered == [(1, "no"), (2, None)]
    assert "r2 can't be decided any more: it was withdrawn" in await refused(desk.permit(request="r2"))


async def test_a_denial_that_ends_nothing_leaves_the_others_open(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    outcome = await desk.permit(request="r1", allow=False).outcome()
    assert (outcome.status, ids(outcome)) == (Status.PERMISSION, ["r2"])
    permit = desk.permit()
    await decided(desk, 2)
    prompt.answers()
    await permit.outcome()


async def test_fifty_requests_are_all_listed_and_all_decided(desk: Desk) -> None:
    prompt, paused = await desk.paused(*(f"touch {n}" for n in range(50)))
    assert len(paused.requests) == 50
    for name in ids(paused)[:-1]:
        assert (await desk.permit(request=name).outcome()).status is Status.PERMISSION
    last = desk.permit()
    await decided(desk, 50)
    prompt.answers()
    await last.outcome()


@pytest.mark.parametrize("allow", [True, False])
async def test_a_request_that_comes_in_the_moment_of_a_decision_is_reported_next(
    desk: Desk, *, allow: bool
) -> None:
    prompt, _ = await desk.paused("touch x")
    permit = desk.permit(allow=allow)
    prompt.asks("touch y")  # it is in the inbox before the decision
    outcome = await permit.outcome()
    assert (outcome.status, ids(outcome)) == (Status.PERMISSION, ["r2"])
    last = desk.permit()
    await decided(desk, 2)
    prompt.answers()
    await last.outcome()


async def test_what_is_withdrawn_while_another_waits_is_not_open_any_more(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    prompt.withdraws(1)
    await decided(desk, 1)
    permit = desk.permit()
    await decided(desk, 2)
    prompt.answers()
    await permit.outcome()
    assert desk.agent.answered == [(1, None), (2, "yes")]


async def test_of_requests_that_are_withdrawn_without_end_the_last_are_remembered(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x")
    turn = desk.session.snapshot().turn
    assert turn is not None
    for n in range(FATES_LIMIT + 100):
        prompt.withdraws(prompt.asks(f"touch {n}"))
    await desk.changes.until(lambda: len(desk.agent.answered) == FATES_LIMIT + 100)
    assert len(turn.decided) == FATES_LIMIT
    assert len(turn.permissions.asked) == FATES_LIMIT + 1, "the one that is open is among them"
    assert list(turn.decided)[-1] == f"r{FATES_LIMIT + 101}"


async def test_what_was_never_open_can_not_be_withdrawn(desk: Desk) -> None:
    prompt, paused = await desk.paused()
    prompt.withdraws(7)
    await settle()
    busy = await desk.ask().outcome()
    assert busy.requests == paused.requests


# --- twice


async def test_of_two_permits_at_once_the_first_decides_and_the_other_is_told_so_at_once(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    first, second, third = desk.permit(), desk.permit(request="r1", allow=False), desk.permit()
    assert "r1 can't be decided any more: it was allowed by Claude" in await refused(second)
    assert "waits for no decision" in await refused(third)
    assert not first.over
    prompt.answers()
    assert (await first.outcome()).status is Status.ANSWERED
    assert desk.agent.answered == [(1, "yes")]


async def test_of_two_permits_at_once_for_two_requests_both_decide(desk: Desk) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    first, second = desk.permit(request="r1"), desk.permit(request="r2", allow=False)
    assert ids(await first.outcome()) == ["r2"]
    await decided(desk, 2)
    prompt.answers()
    assert (await second.outcome()).status is Status.ANSWERED
    assert desk.agent.answered == [(1, "yes"), (2, "no")]


async def test_a_request_that_is_withdrawn_in_the_moment_of_its_decision_was_not_decided(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    permit = desk.permit()
    prompt.withdraws(1)  # it is in the inbox before the decision
    await decided(desk, 1)
    prompt.answers("went on")
    assert (await permit.outcome()).text == "went on"
    assert desk.agent.answered == [(1, None)]
    assert desk.records()[0]["decisions"] == {"r1": "withdrawn: the step that asked for it ended"}


async def test_of_two_requests_the_one_that_stays_open_is_reported_when_the_other_is_withdrawn(
    desk: Desk,
) -> None:
    prompt, _ = await desk.paused("touch x", "touch y")
    permit = desk.permit(request="r1")
    prompt.withdraws(1)  # it is in the inbox before the decision
    outcome = await permit.outcome()
    assert (outcome.status, ids(outcome)) == (Status.PERMISSION, ["r2"])
    assert desk.agent.answered == [(1, None)]


# --- for nothing


async def test_a_permit_before_any_question_says_so(desk: Desk) -> None:
    told = await refused(desk.permit())
    assert "nothing to permit: Codex was not asked anything yet" in told


async def test_a_permit_while_codex_works_says_so_at_once(desk: Desk) -> None:
    call = desk.ask("explore")
    prompt = await desk.prompt()
    assert "turn 1 (explore) is running and waits for no decision" in await refused(desk.permit())
    prompt.answers()
    await call.outcome()


async def test_a_permit_after_the_answer_says_so(desk: Desk) -> None:
    await desk.answered()
    assert "turn 1 (consult) is over (answered)" in await refused(desk.permit())


async def test_a_permit_after_a_reset_says_so(desk: Desk) -> None:
    await desk.paused()
    await desk.reset().outcome()
    assert "turn 1 (consult) is over (cancelled): The turn was cancelled by a reset" in await refused(
        desk.permit()
    )
    told = await refused(desk.permit(request="r1"))
    assert "r1 can't be decided any more: it was cancelled with its turn, by a reset" in told


async def test_a_permit_after_the_clients_clear_says_so(desk: Desk) -> None:
    await desk.paused()
    desk.nonce = "second"
    assert "cancelled by the client's /clear" in await refused(desk.permit())
    assert desk.agent.answered == [(1, None)], "it decided nothing"


async def test_a_permit_of_a_request_that_never_was_says_what_is_open(desk: Desk) -> None:
    await desk.paused()
    told = await refused(desk.permit(request="r7"))
    assert "no request 'r7'" in told
    assert "Open now: r1: touch x" in told


async def test_a_request_of_an_earlier_turn_is_still_remembered(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    permit = desk.permit(allow=False)
    await decided(desk, 1)
    prompt.answers()
    await permit.outcome()
    await desk.paused("touch y")
    told = await refused(desk.permit(request="r1"))
    assert "r1 can't be decided any more: it was denied by Claude" in told
    assert "Open now: r2: touch y" in told


async def test_a_permit_after_the_agent_went_away_brings_that_end_once(desk: Desk) -> None:
    prompt, _ = await desk.paused()
    prompt.says("so far")
    desk.agent.goes(-9)
    await settle()
    outcome = await desk.permit().outcome()
    assert (outcome.status, outcome.turn, outcome.text, ids(outcome)) == (Status.FAILED, 1, "so far", [])
    assert outcome.problem is not None
    assert "went away" in outcome.problem.message
    assert "is over (failed): The agent went away" in await refused(desk.permit())
    assert "r1 can't be decided any more: it was dropped when" in await refused(desk.permit(request="r1"))


async def test_a_permit_in_the_moment_in_which_the_agent_goes_away_brings_that_end(desk: Desk) -> None:
    await desk.paused()
    permit = desk.permit()
    desk.agent.goes(-9)
    outcome = await permit.outcome()
    assert outcome.status is Status.FAILED


async def test_a_question_after_the_agent_went_away_is_answered_and_told_of_it(desk: Desk) -> None:
    await desk.paused()
    desk.agent.goes(-9)
    await settle()
    outcome = await desk.answered()
    assert outcome.new_session
    ended, lost = outcome.notices
    assert ended == "Turn 1 (consult) ended while nobody waited for it: failed. The agent went away."
    assert "session was lost" in lost
