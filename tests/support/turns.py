"""Turns in each state of their life."""

from __future__ import annotations

from codex_fusion.turn import Asked, Cancel, Deadline, Event, Ready, Replied, State, Turn

BEGAN = 1_000.0
BUDGET = 60.0

TO_REACH: dict[State, tuple[Event, ...]] = {
    State.STARTING: (),
    State.RUNNING: (Ready(),),
    State.GATHERING: (Ready(), Asked("r1")),
    State.PAUSED: (Ready(), Asked("r1"), Deadline()),
    State.CANCELLING: (Ready(), Cancel()),
    State.CLOSED: (Ready(), Replied()),
}
"""The shortest way into each state; GATHERING and PAUSED have one open request, r1."""


def turn_in(state: State) -> Turn:
    """A turn that came into this state without any time going by."""
    turn = Turn(BUDGET, BEGAN)
    for event in TO_REACH[state]:
        turn.handle(event, BEGAN)
    return turn


def paused_with(*requests: str) -> Turn:
    """A turn that waits for a decision on each of these."""
    turn = turn_in(State.RUNNING)
    for request in requests:
        turn.handle(Asked(request), BEGAN)
    turn.handle(Deadline(), BEGAN)
    return turn


def everything_of(turn: Turn) -> dict[str, object]:
    """Whatever the turn holds, to compare it later."""
    return {**vars(turn), "pending": tuple(turn.pending)}
