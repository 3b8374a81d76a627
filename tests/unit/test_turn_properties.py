"""What holds for a turn whatever happens to it: random lives on a virtual clock.

A normal run hands over 20,000 events at least; with `SOAK=1` in the environment, 200,000.
"""

from __future__ import annotations

import itertools
import os
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
    Effect,
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
    Turn,
    Withdrawn,
)
from tests.support.turns import everything_of

EVENTS = 200_000 if os.environ.get("SOAK") == "1" else 20_000
"""How many are handed to a turn, at least."""
STEPS = 60
"""Of one example. Some of them are no events: another turn begins."""
SETTINGS = settings(
    max_examples=4 * EVENTS // (3 * STEPS),
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
BUDGET = 8.0

AT_WORK = (State.STARTING, State.RUNNING)
OPEN = (State.RUNNING, State.GATHERING, State.PAUSED)
IMPOSSIBLE: dict[State, tuple[Event, ...]] = {
    State.STARTING: (Asked("x"), Withdrawn("x"), Permit("x", allow=True), Replied()),
    State.RUNNING: (Ready(), Permit("x", allow=True)),
    State.GATHERING: (Ready(), Permit("x", allow=False)),
    State.PAUSED: (Ready(), Deadline(), Permit("x", allow=True)),
    State.CANCELLING: (Ready(), Permit("x", allow=False)),
    State.CLOSED: (Permit("x", allow=True),),
}
"""By state. No request of these tests is called x."""
LATE: tuple[Event, ...] = (
    Ready(),
    Failed(),
    Asked("late"),
    Asked("late", allowed=True),
    Withdrawn("r0"),
    Replied(),
    Gone(),
    Cancel(),
    Deadline(),
)

waits = st.sampled_from((0.0, 0.01, 0.09, 0.25, 0.5, 2.0, 3600.0))
picks = st.integers(0, 11)
patiences = st.sampled_from((0, 0, 2, 5, 10, 20))


def same(one: float | None, other: float) -> bool:
    """The same time, but for the rounding of floats."""
    return one is not None and abs(one - other) < 1e-6


def ending_by(event: Event) -> Ending | None:
    """How a turn ends that this event ends."""
    match event:
        case Replied(cancelled):
            return Ending.CANCELLED if cancelled else Ending.ANSWERED
        case Cancel():
            return Ending.CANCELLED
        case Deadline():
            return Ending.TIMEOUT
        case Failed() | Gone():
            return Ending.FAILED
        case _:
            return None


class Onlooker:
    """Keeps the books on one turn: what was asked, what became of it, and how long the agent was at work."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.turn = Turn(BUDGET, now)
        self.asked: list[str] = []
        self.decided: dict[str, Decision] = {}
        """What the policy or a person said."""
        self.answers: dict[str, Decision] = {}
        """What the agent was told."""
        self.reported: set[str] = set()
        self.effects: list[Effect] = []
        self.denied = False
        """Since the last prompt."""
        self.active = 0.0
        self.entered = now
        self.ending: Ending | None = None
        """How the turn ends if it closes now."""

    @property
    def state(self) -> State:
        return self.turn.state

    @property
    def open_requests(self) -> list[str]:
        return [name for name in self.asked if name not in self.answers]

    def wait(self, seconds: float) -> None:
        """Time goes by; it counts while the agent is at work, and never in a pause."""
        before = self.turn.active_s(self.now)
        self.now += seconds
        counted = self.turn.active_s(self.now) - before
        if self.state is State.CANCELLING:  # the grace counts unless the agent was waiting
            assert counted == 0 or same(counted, seconds)
        else:
            assert same(counted, seconds if self.state in AT_WORK else 0)
        self.active += counted

    def wait_for_deadline(self) -> None:
        """As the driver does: until when it is told, or not at all."""
        due = self.turn.deadline
        assert due is not None
        self.wait(max(0.0, due - self.now))

    def feed(self, event: Event) -> Effects:
        """Hand over an event, and check what comes of it."""
        before = self.state
        effects = self.turn.handle(event, self.now)
        if self.state is not before:
            self.entered = self.now
        if before is not State.CANCELLING:  # whatever ends a turn that is cancelled: it was cancelled
            self.ending = ending_by(event)
        for effect in effects:
            assert before is not State.CLOSED or effect == Answer(self.asked[-1], Decision.CANCEL)
            self._take(effect)
            self.effects.append(effect)
        closes = self.state is State.CLOSED and before is not State.CLOSED
        assert [e.ending for e in effects if isinstance(e, Close)] == ([self.ending] if closes else [])
        cancels = self.state is State.CANCELLING and before is not State.CANCELLING
        assert (SendCancel() in effects) == cancels
        doubtful = before is State.STARTING or isinstance(event, Failed | Gone | Deadline)
        assert (Kill() in effects) == (closes and doubtful), "killed is exactly who did not end in good order"
        return effects

    def _take(self, effect: Effect) -> None:
        match effect:
            case Answer(request, decision):
                assert request in self.open_requests, "answered twice, or never asked"
                assert decision is self.decided.get(request, Decision.CANCEL)
                self.answers[request] = decision
            case SendPrompt(after_denial):
                assert SendCancel() not in self.effects
                assert after_denial == (SendPrompt() in self.effects)
                assert self.denied == after_denial
                self.denied = False
            case Pause():
                assert self.open_requests, "a pause with nothing to decide"
                self.reported |= set(self.open_requests)
            case SendCancel() | Kill() | Close():
                assert effect not in self.effects


class Lives(RuleBasedStateMachine):
    """One turn after the other, and everything that may happen to one."""

    events: ClassVar[int] = 0
    """Of all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Onlooker(now=1_000.0)
        self.patience = 0
        """How many events come before one that may end the turn: else most lives would be short."""

    @property
    def state(self) -> State:
        return self.life.state

    @property
    def talks(self) -> bool:
        """There is an agent that was prompted."""
        return self.state in (*OPEN, State.CANCELLING)

    @property
    def may_end(self) -> bool:
        return self.state is State.CANCELLING or (self.state is not State.CLOSED and self.patience <= 0)

    def feed(self, event: Event) -> Effects:
        type(self).events += 1
        self.patience -= 1
        return self.life.feed(event)

    def ask(self, *, allowed: bool) -> None:
        name = f"r{len(self.life.asked)}"
        self.life.asked.append(name)
        if allowed and self.state in OPEN:
            self.life.decided[name] = Decision.ALLOW
        self.feed(Asked(name, allowed))

    def decide(self, name: str, *, allow: bool) -> None:
        self.life.decided[name] = Decision.ALLOW if allow else Decision.DENY
        self.life.denied |= not allow
        effects = self.feed(Permit(name, allow))
        # Whoever decided waits for what comes of it.
        assert self.state is not State.PAUSED or effects[-1] == Pause()

    # What happens

    @initialize(patience=patiences)
    def a_turn_begins(self, patience: int) -> None:
        self.life = Onlooker(self.life.now)
        self.patience = patience

    @precondition(lambda self: self.state is State.CLOSED)
    @rule(patience=patiences)
    def another_turn_begins(self, patience: int) -> None:
        self.a_turn_begins(patience)

    @precondition(lambda self: self.state is State.CLOSED)
    @rule(wait=waits, event=st.sampled_from(LATE))
    def something_comes_too_late(self, wait: float, event: Event) -> None:
        self.life.wait(wait)
        if isinstance(event, Asked):
            self.ask(allowed=event.allowed)
        else:
            assert self.feed(event) == ()

    @precondition(lambda self: self.state is State.STARTING)
    @rule(wait=waits)
    def the_agent_is_ready(self, wait: float) -> None:
        self.life.wait(wait)
        self.feed(Ready())

    @precondition(lambda self: self.talks)
    @rule(wait=waits, allowed=st.booleans())
    def the_agent_asks(self, wait: float, *, allowed: bool) -> None:
        self.life.wait(wait)
        self.ask(allowed=allowed)

    @precondition(lambda self: self.talks and self.life.asked)
    @rule(wait=waits, pick=picks)
    def the_agent_takes_a_request_back(self, wait: float, pick: int) -> None:
        self.life.wait(wait)
        names = (*reversed(self.life.asked), "x")
        self.feed(Withdrawn(names[pick % len(names)]))

    @precondition(lambda self: self.talks and (self.may_end or self.life.denied))
    @rule(wait=waits, cancelled=st.booleans())
    def the_agent_ends_its_turn(self, wait: float, *, cancelled: bool) -> None:
        self.life.wait(wait)
        goes_on = cancelled and self.life.denied and self.state in OPEN
        self.feed(Replied(cancelled))
        assert self.state is (State.RUNNING if goes_on else State.CLOSED)

    @precondition(lambda self: self.may_end)
    @rule(wait=waits, event=st.sampled_from((Cancel(), Gone(), Failed())))
    def the_turn_is_ended(self, wait: float, event: Event) -> None:
        self.life.wait(wait)
        self.feed(event)

    @precondition(lambda self: self.state is State.PAUSED)
    @rule(wait=waits, pick=picks, allow=st.booleans())
    def somebody_decides(self, wait: float, pick: int, *, allow: bool) -> None:
        self.life.wait(wait)
        names = self.life.open_requests
        self.decide(names[pick % len(names)], allow=allow)

    @precondition(lambda self: self.life.turn.deadline and (self.may_end or self.state is State.GATHERING))
    @rule(late=waits)
    def the_deadline_comes(self, late: float) -> None:
        self.life.wait_for_deadline()
        self.life.wait(late)
        self.feed(Deadline())
        due = self.life.turn.deadline
        assert due is None or due > self.life.now, "a driver that comes back when it is told to would spin"

    # What always holds

    @invariant()
    def the_books_agree(self) -> None:
        life, turn = self.life, self.life.turn
        assert sum(isinstance(effect, Close) for effect in life.effects) == (life.state is State.CLOSED)
        assert same(turn.active_s(life.now), life.active)
        assert list(turn.pending) == life.open_requests
        assert bool(turn.pending) == (life.state in (State.GATHERING, State.PAUSED))
        assert life.state is not State.PAUSED or life.reported.issuperset(life.open_requests), "one is hidden"

    @invariant()
    def there_is_a_deadline_but_in_a_pause_and_at_the_end(self) -> None:
        life, due = self.life, self.life.turn.deadline
        match life.state:
            case State.STARTING | State.RUNNING:
                assert same(due, life.now + BUDGET - life.active)
            case State.GATHERING:
                assert due is not None
                assert due <= life.entered + GATHER_LIMIT_S
                assert due <= life.now + max(GATHER_S, DENIAL_SETTLES_S)
            case State.CANCELLING:
                assert same(due, life.entered + CANCEL_GRACE_S)
            case State.PAUSED | State.CLOSED:
                assert due is None

    @invariant()
    def the_impossible_is_refused_and_changes_nothing(self) -> None:
        turn = self.life.turn
        before = everything_of(turn)
        for event in IMPOSSIBLE[self.state]:
            with pytest.raises(IllegalEventError):
                turn.handle(event, self.life.now + 1)
        assert everything_of(turn) == before

    def teardown(self) -> None:
        """However it stands, it ends: with an agent that is silent from now on and a person who decides."""
        for _ in itertools.takewhile(lambda _: self.state is not State.CLOSED, range(2 * STEPS)):
            if self.state is State.PAUSED:
                self.decide(self.life.open_requests[-1], allow=True)
            else:
                self.life.wait_for_deadline()
                self.feed(Deadline())
        assert self.state is State.CLOSED
        self.the_books_agree()


def test_whatever_happens_a_turn_ends_once_and_answers_each_request_once() -> None:
    Lives.events = 0
    run_state_machine_as_test(Lives, settings=SETTINGS)
    assert Lives.events >= EVENTS
