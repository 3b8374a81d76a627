"""What the rows of the turn machine's table add up to: deadlines, the time that counts, decisions."""

from __future__ import annotations

import pytest

from codex_fusion.turn import (
    CANCEL_GRACE_S,
    DENIAL_SETTLES_S,
    GATHER_LIMIT_S,
    GATHER_S,
    Answer,
    Asked,
    Cancel,
    Close,
    Deadline,
    Decision,
    Ending,
    Event,
    Failed,
    Gone,
    Kill,
    Pause,
    Permit,
    Ready,
    Replied,
    SendPrompt,
    State,
    Turn,
    Withdrawn,
)
from tests.support.turns import BEGAN, BUDGET, paused_with, turn_in

# Deadlines


def test_the_time_limit_runs_from_the_beginning_and_the_start_counts() -> None:
    turn = Turn(BUDGET, BEGAN)
    assert turn.deadline == BEGAN + BUDGET
    turn.handle(Ready(), BEGAN + 20)
    assert turn.deadline == BEGAN + BUDGET
    assert turn.active_s(BEGAN + 30) == 30


def test_a_clock_may_begin_at_zero() -> None:
    assert Turn(BUDGET, 0.0).deadline == BUDGET


@pytest.mark.parametrize("state", [State.PAUSED, State.CLOSED])
def test_there_is_no_deadline_while_somebody_decides_or_when_all_is_over(state: State) -> None:
    assert turn_in(state).deadline is None


def test_requests_that_follow_each_other_are_reported_together() -> None:
    turn = turn_in(State.RUNNING)
    assert turn.handle(Asked("r1"), BEGAN + 1) == ()
    assert turn.deadline == BEGAN + 1 + GATHER_S
    assert turn.handle(Asked("r2"), BEGAN + 1.05) == ()
    assert turn.deadline == BEGAN + 1.05 + GATHER_S
    assert turn.handle(Deadline(), BEGAN + 1.2) == (Pause(),)
    assert list(turn.pending) == ["r1", "r2"]


def test_a_stream_of_requests_is_reported_all_the_same() -> None:
    turn = turn_in(State.RUNNING)
    for tenth in range(10):
        turn.handle(Asked(f"r{tenth}"), BEGAN + tenth / 10)
        assert turn.deadline == min(BEGAN + tenth / 10 + GATHER_S, BEGAN + GATHER_LIMIT_S)
    turn.handle(Asked("late"), BEGAN + 0.95)
    assert turn.deadline == BEGAN + GATHER_LIMIT_S


def test_the_limit_of_a_gathering_begins_anew_with_each() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Permit("r1", allow=True), BEGAN + 30)
    turn.handle(Asked("r2"), BEGAN + 31)
    assert turn.deadline == BEGAN + 31 + GATHER_S


def test_an_allowed_request_prolongs_no_gathering() -> None:
    turn = turn_in(State.GATHERING)
    turn.handle(Asked("r2", allowed=True), BEGAN + 0.05)
    assert turn.deadline == BEGAN + GATHER_S


@pytest.mark.parametrize("state", [State.RUNNING, State.GATHERING, State.PAUSED])
def test_a_cancelled_turn_gets_its_grace_and_no_more(state: State) -> None:
    turn = turn_in(state)
    turn.handle(Cancel(), BEGAN + 10)
    assert turn.deadline == BEGAN + 10 + CANCEL_GRACE_S
    for late in (Cancel(), Asked("r8"), Withdrawn("r8")):
        turn.handle(late, BEGAN + 11)
        assert turn.deadline == BEGAN + 10 + CANCEL_GRACE_S


# The time that counts


def test_waiting_for_a_decision_costs_no_time() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Asked("r1"), BEGAN + 10)
    turn.handle(Deadline(), BEGAN + 10.1)
    turn.handle(Asked("r2"), BEGAN + 500)
    assert turn.active_s(BEGAN + 1_000) == 10
    turn.handle(Permit("r1", allow=True), BEGAN + 2_000)
    turn.handle(Permit("r2", allow=True), BEGAN + 3_000)
    assert turn.active_s(BEGAN + 3_000) == 10
    assert turn.deadline == BEGAN + 3_000 + BUDGET - 10
    assert turn.active_s(BEGAN + 3_005) == 15


def test_a_request_that_the_policy_allows_does_not_stop_the_clock() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Asked("r1", allowed=True), BEGAN + 10)
    assert turn.active_s(BEGAN + 12) == 12
    assert turn.deadline == BEGAN + BUDGET


def test_a_withdrawal_of_the_last_request_starts_the_clock_again() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Asked("r1"), BEGAN + 10)
    turn.handle(Withdrawn("r1"), BEGAN + 10.5)
    assert turn.active_s(BEGAN + 11.5) == 11
    assert turn.deadline == BEGAN + 10.5 + BUDGET - 10


def test_a_closed_turn_costs_nothing_more() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Replied(), BEGAN + 7)
    turn.handle(Gone(), BEGAN + 8)
    assert turn.active_s(BEGAN + 100) == 7


def test_the_grace_of_a_cancel_counts_where_the_agent_was_at_work() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Deadline(), BEGAN + BUDGET)
    turn.handle(Replied(), BEGAN + BUDGET + 1)
    assert turn.active_s(BEGAN + 100) == BUDGET + 1


def test_the_grace_of_a_cancel_counts_nothing_where_the_agent_was_waiting() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Cancel(), BEGAN + 50)
    turn.handle(Deadline(), BEGAN + 51.5)
    assert turn.active_s(BEGAN + 100) == 0


# Endings


@pytest.mark.parametrize("last", [Replied(), Replied(cancelled=True), Gone(), Failed(), Deadline()])
def test_a_turn_that_ran_into_its_limit_ends_as_a_timeout_whatever_ends_it(last: Event) -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Deadline(), BEGAN + BUDGET)
    turn.handle(Cancel(), BEGAN + BUDGET + 1)
    assert turn.handle(last, BEGAN + BUDGET + CANCEL_GRACE_S)[-1] == Close(Ending.TIMEOUT)


def test_what_is_open_at_the_end_is_settled_in_the_order_it_was_asked() -> None:
    turn = paused_with("r2", "r1", "r3")
    settled = tuple(Answer(request, Decision.CANCEL) for request in ("r2", "r1", "r3"))
    assert turn.handle(Gone(), BEGAN) == (Kill(), *settled, Close(Ending.FAILED))
    assert not turn.pending


def test_an_answer_given_while_requests_are_open_is_an_answer() -> None:
    turn = paused_with("r1", "r2")
    settled = tuple(Answer(request, Decision.CANCEL) for request in ("r1", "r2"))
    assert turn.handle(Replied(), BEGAN) == (*settled, Close(Ending.ANSWERED))


# Several requests, and denials


def test_of_several_requests_each_is_decided_by_itself_and_the_rest_is_reported() -> None:
    turn = paused_with("r1", "r2", "r3")
    assert turn.handle(Permit("r2", allow=True), BEGAN) == (Answer("r2", Decision.ALLOW), Pause())
    assert turn.handle(Permit("r1", allow=True), BEGAN) == (Answer("r1", Decision.ALLOW), Pause())
    assert turn.deadline is None
    assert turn.handle(Permit("r3", allow=True), BEGAN) == (Answer("r3", Decision.ALLOW),)
    assert turn.state is State.RUNNING


def test_a_withdrawn_request_leaves_the_others_open() -> None:
    turn = paused_with("r1", "r2")
    assert turn.handle(Withdrawn("r1"), BEGAN) == (Answer("r1", Decision.CANCEL),)
    assert turn.state is State.PAUSED
    assert list(turn.pending) == ["r2"]


def test_a_denial_with_others_open_waits_whether_it_ends_the_agents_turn() -> None:
    turn = paused_with("r1", "r2")
    assert turn.handle(Permit("r1", allow=False), BEGAN + 5) == (Answer("r1", Decision.DENY),)
    assert turn.state is State.GATHERING
    assert turn.deadline == BEGAN + 5 + DENIAL_SETTLES_S


def test_after_a_denial_that_ended_nothing_the_rest_is_reported_again() -> None:
    turn = paused_with("r1", "r2")
    turn.handle(Permit("r1", allow=False), BEGAN + 5)
    assert turn.handle(Deadline(), BEGAN + 5 + DENIAL_SETTLES_S) == (Pause(),)
    assert list(turn.pending) == ["r2"]


def test_a_denial_that_ended_the_agents_turn_is_told_in_a_new_prompt_and_the_rest_is_settled() -> None:
    turn = paused_with("r1", "r2", "r3")
    turn.handle(Permit("r1", allow=False), BEGAN + 5)
    assert turn.handle(Replied(cancelled=True), BEGAN + 5.01) == (
        Answer("r2", Decision.CANCEL),
        Answer("r3", Decision.CANCEL),
        SendPrompt(after_denial=True),
    )
    assert turn.state is State.RUNNING
    assert turn.deadline == BEGAN + 5.01 + BUDGET


def test_the_new_prompt_after_a_denial_gets_no_new_budget() -> None:
    turn = turn_in(State.RUNNING)
    turn.handle(Asked("r1"), BEGAN + 10)
    turn.handle(Deadline(), BEGAN + 10.1)
    turn.handle(Permit("r1", allow=False), BEGAN + 20)
    turn.handle(Replied(cancelled=True), BEGAN + 23)
    assert turn.active_s(BEGAN + 25) == 15
    assert turn.deadline == BEGAN + 20 + BUDGET - 10


def test_a_denial_explains_one_end_of_the_agents_turn_and_no_second() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Permit("r1", allow=False), BEGAN)
    assert turn.handle(Replied(cancelled=True), BEGAN) == (SendPrompt(after_denial=True),)
    assert turn.handle(Replied(cancelled=True), BEGAN) == (Close(Ending.CANCELLED),)


def test_a_second_denial_is_told_as_the_first_was() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Permit("r1", allow=False), BEGAN)
    turn.handle(Replied(cancelled=True), BEGAN)
    turn.handle(Asked("r2"), BEGAN)
    turn.handle(Deadline(), BEGAN)
    turn.handle(Permit("r2", allow=False), BEGAN)
    assert turn.handle(Replied(cancelled=True), BEGAN) == (SendPrompt(after_denial=True),)


def test_a_denial_is_not_forgotten_over_an_approval_that_follows() -> None:
    turn = paused_with("r1", "r2")
    turn.handle(Permit("r1", allow=False), BEGAN)
    turn.handle(Deadline(), BEGAN)
    turn.handle(Permit("r2", allow=True), BEGAN)
    assert turn.handle(Replied(cancelled=True), BEGAN) == (SendPrompt(after_denial=True),)


def test_an_agent_that_answers_after_a_denial_has_answered() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Permit("r1", allow=False), BEGAN)
    assert turn.handle(Replied(), BEGAN) == (Close(Ending.ANSWERED),)


def test_a_cancelled_turn_is_not_prompted_again_after_a_denial() -> None:
    turn = turn_in(State.PAUSED)
    turn.handle(Permit("r1", allow=False), BEGAN)
    turn.handle(Cancel(), BEGAN)
    assert turn.handle(Replied(cancelled=True), BEGAN) == (Close(Ending.CANCELLED),)


def test_a_request_after_a_denial_does_not_cut_short_the_wait_for_what_the_denial_does() -> None:
    turn = paused_with("r1", "r2")
    turn.handle(Permit("r1", allow=False), 10.0)
    waits_until = turn.deadline
    turn.handle(Asked("r3"), 10.1)
    assert turn.deadline == waits_until
