"""What ends a turn from outside: a reset, the client's /clear, the time limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.conversation import NOBODY, Brief, Conversation
from codex_fusion.driver import RunningTurn
from codex_fusion.errors import CallError
from codex_fusion.journal import Journal
from codex_fusion.outcome import Decider, Status
from tests.support.desk import asks_all_but_cat, at_work
from tests.support.fake_agent import Changes, FakeAgent, Prompt, settle
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codex_fusion.outcome import Outcome
    from tests.support.desk import Call, Desk

pytestmark = pytest.mark.anyio

HOUR = 3600.0


async def begun(desk: Desk) -> tuple[Call[Outcome], Prompt]:
    call = desk.ask()
    return call, await desk.prompt()


async def cancelled(call: Call[Outcome], by: str) -> Outcome:
    outcome = await call.outcome()
    assert outcome.status is Status.CANCELLED
    assert outcome.problem is not None
    assert outcome.problem.message == f"The turn was cancelled by {by}."
    return outcome


# --- reset


async def test_a_reset_of_nothing_says_so_and_starts_nothing(desk: Desk) -> None:
    assert "nothing to drop" in await desk.reset().outcome()
    assert desk.opener.opening == 0
    assert desk.session.snapshot().resets == 1


async def test_a_reset_between_turns_closes_the_session_and_keeps_the_agent(desk: Desk) -> None:
    await desk.answered()
    assert "is dropped (1 turn)" in await desk.reset().outcome()
    assert desk.agent.calls == ["prompt", "close s1"]
    outcome = await desk.answered()
    assert (outcome.session_id, outcome.new_session, outcome.round, outcome.notices) == ("s2", True, 1, ())
    assert len(desk.opener.agents) == 1


async def test_a_reset_while_the_session_is_opened_ends_that(desk: Desk) -> None:
    desk.opener.gate = anyio.Event()
    call = desk.ask()
    await call.seen("opening")
    assert "was under way and is cancelled" in await desk.reset().outcome()
    await cancelled(call, "a reset")
    desk.opener.gate = None


async def test_a_reset_while_codex_works_cancels_and_the_call_gets_the_text_so_far(desk: Desk) -> None:
    call, prompt = await begun(desk)
    prompt.says("so far")
    await settle()
    said = await desk.reset().outcome()
    assert "Turn 1 (consult) was under way and is cancelled" in said
    assert (await cancelled(call, "a reset")).text == "so far"
    assert desk.agent.calls == ["prompt", "cancel s1", "close s1"]


async def test_a_reset_of_an_agent_that_ignores_it_is_bounded(desk: Desk) -> None:
    call, _ = await begun(desk)
    desk.agent.obeys = False
    await desk.reset().outcome()
    await cancelled(call, "a reset")
    assert desk.agent.calls == ["prompt", "cancel s1", "kill", "close s1"]


async def test_a_reset_while_requests_are_gathered_settles_them(desk: Desk) -> None:
    call, prompt = await begun(desk)
    prompt.asks()
    await call.seen("asks r1")
    await desk.reset().outcome()
    await cancelled(call, "a reset")
    assert desk.agent.answered == [(1, None)]


async def test_a_reset_while_a_decision_is_awaited_settles_all_requests(desk: Desk) -> None:
    await desk.paused("touch x", "touch y")
    await desk.reset().outcome()
    assert desk.agent.answered == [(1, None), (2, None)]
    assert desk.session.snapshot().turn is None


async def test_a_reset_after_a_decision_ends_the_permit(desk: Desk) -> None:
    await desk.paused()
    permit = desk.permit()
    await desk.changes.until(lambda: bool(desk.agent.answered))
    await desk.reset().outcome()
    await cancelled(permit, "a reset")


async def test_a_reset_and_a_decision_in_one_moment_leave_one_answer(desk: Desk) -> None:
    await desk.paused()
    reset, permit = desk.reset(), desk.permit()
    await reset.outcome()
    with pytest.raises(CallError, match="nothing to permit"):
        await permit.outcome()
    assert desk.agent.answered == [(1, None)]


async def test_a_question_in_the_moment_of_a_reset_is_not_told_of_what_was_dropped(desk: Desk) -> None:
    await desk.paused()
    reset, call = desk.reset(), desk.ask()
    (await desk.prompt()).answers()
    outcome = await call.outcome()
    assert (outcome.status, outcome.new_session, outcome.notices) == (Status.ANSWERED, True, ())
    await reset.outcome()


async def test_two_resets_at_once_are_one_end(desk: Desk) -> None:
    call, _ = await begun(desk)
    first, second = desk.reset(), desk.reset()
    await first.outcome()
    await second.outcome()
    await cancelled(call, "a reset")
    assert desk.agent.calls == ["prompt", "cancel s1", "close s1"]


async def test_of_a_reset_and_a_clear_at_once_the_first_ended_the_turn(desk: Desk) -> None:
    call, _ = await begun(desk)
    reset = desk.reset()
    desk.nonce = "second"
    question = desk.ask()
    await reset.outcome()
    await cancelled(call, "a reset")
    (await desk.prompt()).answers()
    assert (await question.outcome()).session_id == "s2"


async def test_a_reset_ends_no_call_that_is_queued(desk: Desk) -> None:
    call, _ = await begun(desk)
    question, reply = desk.ask("explore"), desk.ask("reply")
    await reply.seen("waiting for turn 1")
    await desk.reset().outcome()
    await cancelled(call, "a reset")
    (await desk.prompt()).answers("explored")
    outcome = await question.outcome()
    assert (outcome.text, outcome.session_id, outcome.new_session) == ("explored", "s2", True)
    with pytest.raises(CallError, match="no debate"):
        await reply.outcome()


async def test_a_reset_of_a_turn_whose_agent_went_away_leaves_nothing_to_permit(desk: Desk) -> None:
    await desk.paused()
    desk.agent.goes(1)
    await settle()
    await desk.reset().outcome()
    with pytest.raises(CallError, match=r"turn 1 \(consult\) is over \(failed\)"):
        await desk.permit().outcome()
    assert (await desk.answered()).notices == ()


async def test_a_reset_that_is_given_up_is_carried_out_all_the_same(desk: Desk) -> None:
    call, _ = await begun(desk)
    desk.agent.obeys = False
    reset = desk.reset()
    await desk.changes.until(lambda: "cancel s1" in desk.agent.calls)
    await reset.cancel()
    assert desk.agent.calls[-1] == "close s1"
    await cancelled(call, "a reset")
    assert (await desk.answered()).new_session


# --- the nonce


async def test_the_clients_clear_is_seen_by_the_next_question(desk: Desk) -> None:
    await desk.answered()
    desk.nonce = "second"
    outcome = await desk.answered()
    assert (outcome.session_id, outcome.new_session) == ("s2", True)
    assert (await desk.answered()).session_id == "s2", "once"


@pytest.mark.parametrize("unread", [None, "first"])
async def test_a_nonce_that_can_not_be_read_or_is_the_same_changes_nothing(
    desk: Desk, unread: str | None
) -> None:
    await desk.answered()
    desk.nonce = unread
    assert (await desk.answered()).session_id == "s1"


async def test_the_first_nonce_ever_is_a_change(tmp_path: Path) -> None:
    async with at_work(tmp_path / "log", nonce=None) as desk:
        await desk.answered()
        desk.nonce = "first"
        assert (await desk.answered()).session_id == "s2"


async def test_a_clear_while_codex_works_ends_the_turn_with_the_next_question(desk: Desk) -> None:
    call, _ = await begun(desk)
    desk.nonce = "second"
    second = desk.ask()
    await cancelled(call, "the client's /clear")
    (await desk.prompt()).answers()
    assert (await second.outcome()).session_id == "s2"


async def test_a_clear_while_a_decision_is_awaited_lets_the_next_question_through(desk: Desk) -> None:
    await desk.paused()
    desk.nonce = "second"
    outcome = await desk.answered()
    assert (outcome.session_id, outcome.notices) == ("s2", ())
    assert desk.agent.answered == [(1, None)]


async def test_a_clear_while_a_call_is_queued_is_seen_when_its_time_comes(desk: Desk) -> None:
    call, prompt = await begun(desk)
    second = desk.ask()
    await second.seen("waiting for turn 1")
    desk.nonce = "second"
    prompt.answers()
    await call.outcome()
    (await desk.prompt()).answers()
    assert (await second.outcome()).session_id == "s2"


# --- the time limit


@dataclass
class Bench:
    """One turn, on a clock of the test's own."""

    now: float = 1_000.0
    agent: FakeAgent = field(default_factory=lambda: FakeAgent(Changes()))

    def turn(self, limit_s: float) -> RunningTurn:
        return RunningTurn(
            Brief(1, "consult", "a question", limit_s, round=1),
            judge=asks_all_but_cat,
            clock=lambda: self.now,
            request_id=lambda: "r1",
            record=Journal(None).record("a question"),
        )

    async def opened(self, _say: Callable[[str], None]) -> Conversation:
        return Conversation(self.agent, "s1", None, 0.0)

    async def prompt(self) -> Prompt:
        await self.agent.changes.until(lambda: bool(self.agent.prompts))
        return self.agent.prompts[0]


async def test_the_limit_ends_the_turn_like_a_cancel_and_keeps_the_text(desk: Desk) -> None:
    call = desk.ask(limit_s=0.05)
    prompt = await desk.prompt()
    prompt.says("so far")
    outcome = await call.outcome()
    assert (outcome.status, outcome.text) == (Status.TIMEOUT, "so far")
    assert outcome.problem is not None
    assert "0.05 s of active work" in outcome.problem.message
    assert "writing" in outcome.problem.message
    assert desk.agent.calls == ["prompt", "cancel s1"]
    assert not (await desk.answered()).new_session


async def test_the_limit_holds_while_the_session_is_opened(desk: Desk) -> None:
    desk.opener.gate = anyio.Event()
    outcome = await desk.ask(limit_s=0.05).outcome()
    assert outcome.status is Status.TIMEOUT
    desk.opener.gate = None


async def test_a_wait_for_a_decision_is_not_counted() -> None:
    bench = Bench()
    turn = bench.turn(limit_s=60.0)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run, bench.opened)
            prompt = await bench.prompt()
            bench.now += 20
            prompt.asks()
            await turn.settled(NOBODY)
            assert turn.paused
            bench.now += HOUR
            turn.decide("r1", allow=True, note=None, by=Decider.CLAUDE)
            await bench.agent.changes.until(lambda: bool(bench.agent.answered))
            bench.now += 20
            prompt.answers()
            await turn.settled(NOBODY)
    outcome = turn.report()
    assert (outcome.status, outcome.seconds) == (Status.ANSWERED, 40.0)
    assert turn.outcome().seconds == 40.0


@pytest.mark.parametrize("obeys", [True, False])
async def test_a_clock_that_jumps_over_the_limit_ends_the_turn_at_its_next_message(*, obeys: bool) -> None:
    bench = Bench()
    bench.agent.obeys = obeys
    turn = bench.turn(limit_s=60.0)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run, bench.opened)
            prompt = await bench.prompt()
            bench.now += HOUR
            prompt.says("still here")
            await bench.agent.changes.until(lambda: "cancel s1" in bench.agent.calls)
            bench.now += HOUR
            prompt.says("and here")
            await turn.settled(NOBODY)
    assert turn.outcome().status is Status.TIMEOUT
    assert ("kill" in bench.agent.calls) == (not obeys)


async def test_a_flood_does_not_hide_that_the_time_is_over() -> None:
    bench = Bench()
    turn = bench.turn(limit_s=60.0)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run, bench.opened)
            prompt = await bench.prompt()
            bench.now += HOUR
            for _ in range(10_000):
                prompt.says("x")
            await bench.agent.changes.until(lambda: "cancel s1" in bench.agent.calls)
            assert len(turn.outcome().text) < 100
