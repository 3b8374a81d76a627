"""The turn machine, row by row."""

from __future__ import annotations

import itertools

import pytest

from codex_fusion.turn import (
    Answer,
    Asked,
    Cancel,
    Close,
    Deadline,
    Decision,
    Effects,
    Ending,
    Event,
    Failed,
    Gone,
    IllegalEventError,
    Kill,
    Pause,
    Permit,
    Ready,
    Replied,
    SendCancel,
    SendPrompt,
    State,
    Withdrawn,
)
from tests.support.turns import BEGAN, everything_of, paused_with, turn_in

ALLOWED, DENIED, SETTLED = (Answer("r1", decision) for decision in Decision)
FAILS = (Kill(), Close(Ending.FAILED))
FAILS_WITH_R1 = (Kill(), SETTLED, Close(Ending.FAILED))
CANCELLED = Close(Ending.CANCELLED)

ROWS: list[tuple[State, Event, State, Effects]] = [
    (State.STARTING, Ready(), State.RUNNING, (SendPrompt(),)),
    (State.STARTING, Failed(), State.CLOSED, FAILS),
    (State.STARTING, Gone(), State.CLOSED, FAILS),
    (State.STARTING, Cancel(), State.CLOSED, (Kill(), CANCELLED)),
    (State.STARTING, Deadline(), State.CLOSED, (Kill(), Close(Ending.TIMEOUT))),
    (State.RUNNING, Failed(), State.CLOSED, FAILS),
    (State.RUNNING, Gone(), State.CLOSED, FAILS),
    (State.RUNNING, Asked("r1"), State.GATHERING, ()),
    (State.RUNNING, Asked("r1", allowed=True), State.RUNNING, (ALLOWED,)),
    (State.RUNNING, Withdrawn("r1"), State.RUNNING, ()),
    (State.RUNNING, Replied(), State.CLOSED, (Close(Ending.ANSWERED),)),
    (State.RUNNING, Replied(cancelled=True), State.CLOSED, (CANCELLED,)),
    (State.RUNNING, Cancel(), State.CANCELLING, (SendCancel(),)),
    (State.RUNNING, Deadline(), State.CANCELLING, (SendCancel(),)),
    (State.GATHERING, Failed(), State.CLOSED, FAILS_WITH_R1),
    (State.GATHERING, Gone(), State.CLOSED, FAILS_WITH_R1),
    (State.GATHERING, Asked("r2"), State.GATHERING, ()),
    (State.GATHERING, Asked("r2", allowed=True), State.GATHERING, (Answer("r2", Decision.ALLOW),)),
    (State.GATHERING, Withdrawn("r1"), State.RUNNING, (SETTLED,)),
    (State.GATHERING, Withdrawn("r2"), State.GATHERING, ()),
    (State.GATHERING, Replied(), State.CLOSED, (SETTLED, Close(Ending.ANSWERED))),
    (State.GATHERING, Replied(cancelled=True), State.CLOSED, (SETTLED, CANCELLED)),
    (State.GATHERING, Cancel(), State.CANCELLING, (SendCancel(), SETTLED)),
    (State.GATHERING, Deadline(), State.PAUSED, (Pause(),)),
    (State.PAUSED, Failed(), State.CLOSED, FAILS_WITH_R1),
    (State.PAUSED, Gone(), State.CLOSED, FAILS_WITH_R1),
    (State.PAUSED, Asked("r2"), State.PAUSED, (Pause(),)),
    (State.PAUSED, Asked("r2", allowed=True), State.PAUSED, (Answer("r2", Decision.ALLOW),)),
    (State.PAUSED, Withdrawn("r1"), State.RUNNING, (SETTLED,)),
    (State.PAUSED, Withdrawn("r2"), State.PAUSED, ()),
    (State.PAUSED, Permit("r1", allow=True), State.RUNNING, (ALLOWED,)),
    (State.PAUSED, Permit("r1", allow=False), State.RUNNING, (DENIED,)),
    (State.PAUSED, Replied(), State.CLOSED, (SETTLED, Close(Ending.ANSWERED))),
    (State.PAUSED, Replied(cancelled=True), State.CLOSED, (SETTLED, CANCELLED)),
    (State.PAUSED, Cancel(), State.CANCELLING, (SendCancel(), SETTLED)),
    (State.CANCELLING, Failed(), State.CLOSED, (Kill(), CANCELLED)),
    (State.CANCELLING, Gone(), State.CLOSED, (Kill(), CANCELLED)),
    (State.CANCELLING, Asked("r1"), State.CANCELLING, (SETTLED,)),
    (State.CANCELLING, Asked("r1", allowed=True), State.CANCELLING, (SETTLED,)),
    (State.CANCELLING, Withdrawn("r1"), State.CANCELLING, ()),
    (State.CANCELLING, Replied(), State.CLOSED, (CANCELLED,)),
    (State.CANCELLING, Replied(cancelled=True), State.CLOSED, (CANCELLED,)),
    (State.CANCELLING, Cancel(), State.CANCELLING, ()),
    (State.CANCELLING, Deadline(), State.CLOSED, (Kill(), CANCELLED)),
    (State.CLOSED, Asked("r1"), State.CLOSED, (SETTLED,)),
    (State.CLOSED, Asked("r1", allowed=True), State.CLOSED, (SETTLED,)),
    (State.CLOSED, Ready(), State.CLOSED, ()),
    (State.CLOSED, Failed(), State.CLOSED, ()),
    (State.CLOSED, Gone(), State.CLOSED, ()),
    (State.CLOSED, Withdrawn("r1"), State.CLOSED, ()),
    (State.CLOSED, Replied(), State.CLOSED, ()),
    (State.CLOSED, Cancel(), State.CLOSED, ()),
    (State.CLOSED, Deadline(), State.CLOSED, ()),
]
EVENTS: tuple[Event, ...] = (
    Ready(),
    Failed(),
    Asked("r2"),
    Withdrawn("r1"),
    Permit("r1", allow=True),
    Replied(),
    Gone(),
    Cancel(),
    Deadline(),
)
ILLEGAL = [
    (state, event)
    for state, event in itertools.product(State, EVENTS)
    if not any(state is row[0] and type(event) is type(row[1]) for row in ROWS)
]


def test_a_turn_comes_into_each_state() -> None:
    assert {state: turn_in(state).state for state in State} == {state: state for state in State}


@pytest.mark.parametrize(
    ("state", "event", "then", "effects"), ROWS, ids=[f"{row[0].name}-{row[1]}" for row in ROWS]
)
def test_every_row_of_the_table(state: State, event: Event, then: State, effects: Effects) -> None:
    turn = turn_in(state)
    assert turn.handle(event, BEGAN) == effects
    assert turn.state is then


@pytest.mark.parametrize(
    ("state", "event"), ILLEGAL, ids=[f"{state.name}-{event}" for state, event in ILLEGAL]
)
def test_what_has_no_row_is_refused_and_changes_nothing(state: State, event: Event) -> None:
    turn = turn_in(state)
    before = everything_of(turn)
    with pytest.raises(IllegalEventError, match=f"^{type(event).__name__} in {state.name}$"):
        turn.handle(event, BEGAN + 1)
    assert everything_of(turn) == before


def test_a_decision_on_what_is_not_open_is_refused_and_changes_nothing() -> None:
    turn = turn_in(State.PAUSED)
    before = everything_of(turn)
    with pytest.raises(IllegalEventError, match=r"^Permit of 'r9', which is not open$"):
        turn.handle(Permit("r9", allow=False), BEGAN + 1)
    assert everything_of(turn) == before


def test_a_request_is_not_decided_twice() -> None:
    turn = paused_with("r1", "r2")
    turn.handle(Permit("r1", allow=True), BEGAN)
    with pytest.raises(IllegalEventError, match="'r1'"):
        turn.handle(Permit("r1", allow=False), BEGAN)
