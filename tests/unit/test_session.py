"""A session from turn to turn: what it asks, what it remembers, and what goes wrong in it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.errors import AgentStartError, CallError
from codex_fusion.events import (
    ContextUse,
    ModeChanged,
    PermissionRequest,
    SessionFailure,
)
from codex_fusion.outcome import Status
from tests.support.desk import Desk
from tests.support.fake_agent import settle

if TYPE_CHECKING:
    from pathlib import Path

    from codex_fusion.permissions import Judgement

pytestmark = pytest.mark.anyio

# --- a turn, and the next


async def test_nothing_is_started_before_the_first_question(desk: Desk) -> None:
    await settle()
    assert desk.opener.opening == 0
    now = desk.session.snapshot()
    assert (now.conversation, now.agent_alive, now.turn, now.turns) == (None, False, None, 0)


async def test_the_answer_comes_back_with_what_is_known_of_the_turn(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.emits(ContextUse(10, 100))
    prompt.says("Let me look.", "m1")
    prompt.says("It is safe.\n\nVERDICT: CONSENSUS — safe", "m2")
    prompt.ends()
    outcome = await call.outcome()
    assert outcome.text == "It is safe.\n\nVERDICT: CONSENSUS — safe"
    assert (outcome.status, outcome.tool, outcome.turn) == (Status.ANSWERED, "consult", 1)
    assert (outcome.session_id, outcome.new_session, outcome.round) == ("s1", True, 1)
    assert outcome.verdict is not None
    assert outcome.usage is not None
    assert outcome.context == ContextUse(10, 100)
    assert call.shown[:2] == ["↳ opening a session", "Let me look."]
    assert desk.session.snapshot().tokens == outcome.usage.total


async def test_the_next_question_goes_to_the_same_session(desk: Desk) -> None:
    await desk.answered()
    second = await desk.answered()
    assert (second.turn, second.session_id, second.new_session) == (2, "s1", False)
    assert desk.opener.opening == 1


async def test_what_was_set_aside_is_told_once_with_the_first_result(desk: Desk) -> None:
    desk.opener.notices = ("a setting is not used",)
    prompt, paused = await desk.paused()
    permitted = desk.permit()
    await desk.changes.until(lambda: bool(desk.agent.answered))
    prompt.answers()
    assert paused.notices == ("a setting is not used",)
    assert (await permitted.outcome()).notices == ()
    assert (await desk.answered()).notices == ()


async def test_a_failed_turn_is_no_answer_though_the_agent_ended_it_well(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.says("I begin to see.", "m1")
    prompt.says("You've hit your usage limit.", "m2")
    prompt.ends(failure=SessionFailure("limit", "You've hit your usage limit."))
    outcome = await call.outcome()
    assert (outcome.status, outcome.text) == (Status.FAILED, "I begin to see."), "the failure is told once"
    assert outcome.problem is not None
    assert "usage limit" in outcome.problem.message
    assert desk.agent.commands_ended == 1, "whatever it still runs is for nothing"
    await desk.answered()
    assert desk.agent.commands_ended == 1


async def test_an_empty_turn_is_no_answer(desk: Desk) -> None:
    call = desk.ask()
    (await desk.prompt()).ends()
    outcome = await call.outcome()
    assert outcome.status is Status.FAILED
    assert outcome.problem is not None
    assert "without writing an answer" in outcome.problem.message


async def test_each_of_20000_chunks_arrives_in_order(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    for number in range(20_000):
        prompt.says(f"{number} ")
    prompt.ends()
    assert (await call.outcome()).text == " ".join(map(str, range(20_000)))


# --- the debate


async def test_a_reply_is_the_next_round_of_the_debate(desk: Desk) -> None:
    await desk.answered()
    call = desk.ask("reply")
    prompt = await desk.prompt()
    prompt.answers()
    assert prompt.text == "reply 2"
    assert (await call.outcome()).round == 2
    assert (await desk.answered("reply")).round == 3
    assert (await desk.answered("consult")).round == 1


async def test_an_exploration_is_no_round_and_leaves_the_debate_where_it_was(desk: Desk) -> None:
    await desk.answered()
    explored = await desk.answered("explore", "overview\n\nVERDICT: OPEN — nothing")
    assert (explored.round, explored.verdict) == (None, None)
    assert (await desk.answered("reply")).round == 2


async def no_debate(desk: Desk) -> str:
    turns = desk.session.snapshot().turns
    with pytest.raises(CallError, match="no debate to continue") as refused:
        await desk.ask("reply").outcome()
    assert desk.session.snapshot().turns == turns, "it spent a turn"
    return str(refused.value)


async def test_a_reply_to_nobody_says_why_there_is_no_debate(desk: Desk) -> None:
    assert "not asked anything yet" in await no_debate(desk)
    await desk.answered("explore")
    assert "only explored" in await no_debate(desk)
    await desk.answered()
    await desk.reset().outcome()
    assert "dropped by a reset" in await no_debate(desk)
    await desk.answered()
    desk.nonce = "second"
    assert "the client's /clear" in await no_debate(desk)
    await desk.answered()
    desk.agent.goes(3)
    assert "ended with exit code 3" in await no_debate(desk)


async def test_a_session_that_came_too_late_for_its_question_is_as_new_for_the_next(desk: Desk) -> None:
    desk.opener.gate, desk.opener.heeds_cancel = anyio.Event(), False
    call = desk.ask()
    await call.seen("opening")
    await call.cancel()
    desk.opener.gate.set()
    assert "not asked anything yet" in await no_debate(desk)
    assert (await desk.answered()).new_session
    assert desk.opener.opening == 1


# --- the agent's death


async def test_a_death_between_two_turns_means_a_new_session_and_that_is_told(desk: Desk) -> None:
    await desk.answered()
    desk.agent.goes(-9)
    assert not desk.session.snapshot().agent_alive
    second = await desk.answered()
    assert (second.session_id, second.new_session, second.round) == ("s2", True, 1)
    assert len(desk.opener.agents) == 2
    (notice,) = second.notices
    assert "killed by signal 9" in notice
    assert (await desk.answered()).notices == ()


async def test_a_death_in_mid_turn_keeps_the_text_and_the_last_words(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.says("I will look.", "m1")
    prompt.says("It is", "m2")
    desk.agent.goes(1)
    outcome = await call.outcome()
    assert (outcome.status, outcome.text) == (Status.FAILED, "I will look.\n\nIt is")
    assert outcome.problem is not None
    assert (outcome.problem.message, outcome.problem.details) == ("The agent went away.", "its last words")
    assert "kill" in desk.agent.calls, "its group may have outlived it"


async def test_what_a_killed_agent_says_late_reaches_nothing(desk: Desk) -> None:
    call = desk.ask()
    old = await desk.prompt()
    desk.agent.goes(1)
    await call.outcome()
    second = desk.ask()
    new = await desk.prompt()
    old.says("late")
    old.ends()
    key = old.asks("rm -rf /")
    await settle()
    assert (key, None) in old.agent.answered
    assert not second.over
    new.answers("new")
    assert (await second.outcome()).text == "new"


async def test_what_a_finished_turn_hears_late_changes_nothing(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.answers("first")
    prompt.says("late")
    key = prompt.asks("touch late")
    prompt.withdraws(key)
    assert (await call.outcome()).text == "first"
    await settle()
    assert desk.agent.answered == [(key, None)], "it was in the inbox already when the turn ended"


# --- confinement


async def test_a_change_of_the_mode_in_mid_turn_ends_it_at_once(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.says("so far")
    prompt.emits(ModeChanged("confined"))
    prompt.emits(ModeChanged("full-access"))
    outcome = await call.outcome()
    assert (outcome.status, outcome.text) == (Status.FAILED, "so far")
    assert outcome.problem is not None
    assert "'full-access'" in outcome.problem.message
    assert "'confined'" in outcome.problem.message
    assert "kill" in desk.agent.calls


async def test_a_change_of_the_mode_between_turns_ends_the_next_before_its_prompt(desk: Desk) -> None:
    await desk.answered()
    desk.agent.modes["s1"] = "full-access"
    agent = desk.agent
    outcome = await desk.ask().outcome()
    assert outcome.status is Status.FAILED
    assert outcome.problem is not None
    assert "'full-access'" in outcome.problem.message
    assert (len(agent.prompts), agent.calls[-1]) == (1, "kill")


async def test_a_mode_that_nobody_verified_is_nobodys_to_watch(desk: Desk) -> None:
    desk.opener.mode = None
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.emits(ModeChanged("anything"))
    prompt.answers()
    assert (await call.outcome()).status is Status.ANSWERED


# --- what can't start, and bugs


async def test_a_session_that_can_not_be_opened_fails_the_turn_with_the_remedy(desk: Desk) -> None:
    desk.opener.fault = AgentStartError("It is not logged in.", "Run `codex login`.", "last words")
    outcome = await desk.ask().outcome()
    assert outcome.status is Status.FAILED
    assert outcome.problem is not None
    assert outcome.problem.remedy == "Run `codex login`."
    assert outcome.problem.details == "last words"
    assert desk.session.snapshot().conversation is None


def a_fault(_request: PermissionRequest) -> Judgement:
    raise LookupError("no such thing")


def failed_by_a_bug(desk: Desk, capfd: pytest.CaptureFixture[str], bug: str) -> None:
    """The turn says what it was, and the operator gets the traceback."""
    outcome = desk.session.snapshot().last
    assert outcome is not None
    assert outcome.status is Status.FAILED
    assert outcome.problem is not None
    assert bug in outcome.problem.message
    assert "codex-fusion's own" in outcome.problem.message
    told = [line for line in capfd.readouterr().err.splitlines() if "event=bug" in line]
    assert len(told) == 1
    assert bug.partition(":")[0] in told[0]
    assert "Traceback" in told[0]


async def test_a_bug_of_the_opener_fails_that_turn_only(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.opener.fault = RuntimeError("broken")
    await desk.ask().outcome()
    failed_by_a_bug(desk, capfd, "RuntimeError: broken")


async def test_a_bug_of_the_judge_fails_that_turn_only(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.judge = a_fault
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.asks()
    await call.outcome()
    assert desk.agent.calls[-2:] == ["kill", "answer 1 None"], "no request stays unanswered"
    failed_by_a_bug(desk, capfd, "LookupError: no such thing")


async def test_a_bug_while_a_decision_is_awaited_does_not_leave_the_turn_paused(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    prompt, _ = await desk.paused()
    desk.judge = a_fault
    prompt.asks("touch y")
    await settle()
    assert desk.session.snapshot().turn is None
    outcome = await desk.permit().outcome()
    assert (outcome.status, outcome.requests) == (Status.FAILED, ())
    failed_by_a_bug(desk, capfd, "LookupError: no such thing")


async def test_a_bug_of_the_viewer_fails_that_turn_only(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    call.fault = ZeroDivisionError("shown")
    prompt.says("hello")
    await call.outcome()
    failed_by_a_bug(desk, capfd, "ZeroDivisionError: shown")


async def test_a_viewer_that_fails_from_the_first_line_on_fails_that_turn_only(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    call = desk.ask()
    call.fault = ZeroDivisionError("shown")
    await call.outcome()
    failed_by_a_bug(desk, capfd, "ZeroDivisionError: shown")


async def test_a_bug_of_the_agents_end_is_told_and_the_turn_still_ends(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    call = desk.ask()
    await desk.prompt()
    desk.agent.fault = OSError("no such process")
    desk.agent.goes(1)
    outcome = await call.outcome()
    assert outcome.problem is not None
    assert outcome.problem.message == "The agent went away."
    assert "no such process" in capfd.readouterr().err


async def test_the_end_of_the_server_ends_the_turn_and_records_it(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        desk = Desk(tasks, tmp_path / "log")
        prompt, _ = await desk.paused()
        tasks.cancel_scope.cancel()
    (record,) = desk.records()
    assert (record["status"], record["problem"]["message"]) == (
        "cancelled",
        "The turn was cancelled by the end of the server.",
    )
    assert prompt.agent.answered == [(1, None)]
