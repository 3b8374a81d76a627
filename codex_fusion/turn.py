"""The turn machine: events in, effects out. Pure: it holds no clock, no task and no wire.

    STARTING    ─Ready→ RUNNING      ─Failed|Cancel|Deadline→ CLOSED
    RUNNING     ─Asked→ GATHERING    ─Replied→ CLOSED (or RUNNING again, after a denial)
                ─Cancel|Deadline→ CANCELLING
    GATHERING   a moment in which requests that belong together arrive, or in which a denial ends
                the agent's turn   ─Deadline→ PAUSED
    PAUSED      a person or a model decides; no deadline   ─Permit of the last→ RUNNING
    CANCELLING  ─Replied|Gone→ CLOSED    ─Deadline→ CLOSED, and the agent is killed
    CLOSED      late events change nothing; a late request is settled as cancelled

Gone closes the turn from every state. An event that has no row in the table is a bug of the
driver: it raises `IllegalEventError` and changes nothing. Times are seconds on the driver's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

CANCEL_GRACE_S = 1.5
"""How long an agent may take to end a turn that was cancelled, before its group is killed."""
GATHER_S = 0.1
"""Requests that follow each other within this time are reported together."""
GATHER_LIMIT_S = 1.0
"""A stream of requests is not gathered for longer than this."""
DENIAL_SETTLES_S = 0.3
"""How long a denial may take to end the agent's turn (codex-acp 2.6.0: ~10 ms), before what is
still pending is reported again."""


class State(Enum):
    """Where a turn is in its life."""

    STARTING = auto()
    RUNNING = auto()
    GATHERING = auto()
    PAUSED = auto()
    CANCELLING = auto()
    CLOSED = auto()


class Ending(Enum):
    """Why a turn closed; each turn has exactly one."""

    ANSWERED = auto()
    CANCELLED = auto()
    TIMEOUT = auto()
    FAILED = auto()


class Decision(Enum):
    """The one answer that each permission request gets."""

    ALLOW = auto()
    DENY = auto()
    CANCEL = auto()


# Events


@dataclass(frozen=True, slots=True)
class Ready:
    """The agent runs and the session is open and confined as asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn can't begin, or can't go on: the agent was refused, or a fault of our own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent asks for a permission; `allowed` is the policy's word on it."""

    request: str
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The agent takes a request back."""

    request: str


@dataclass(frozen=True, slots=True)
class Permit:
    """Somebody decided an open request."""

    request: str
    allow: bool


@dataclass(frozen=True, slots=True)
class Replied:
    """The agent ended its turn; `cancelled` as it reports it."""

    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """The agent's process or its connection ended."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller, a reset or a shutdown ends the turn."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time that `Turn.deadline` named has come."""


Event = Ready | Failed | Asked | Withdrawn | Permit | Replied | Gone | Cancel | Deadline

# Effects


@dataclass(frozen=True, slots=True)
class SendPrompt:
    """Send the prompt; `after_denial`: the one that tells of the denials, in the same session."""

    after_denial: bool = False


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Send `session/cancel`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this permission request, once and for all."""

    request: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Pause:
    """Report the open requests to whoever waits for the turn."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the agent's whole process group."""


@dataclass(frozen=True, slots=True)
class Close:
    """Report the turn's outcome: nothing comes after it."""

    ending: Ending


Effect = SendPrompt | SendCancel | Answer | Pause | Kill | Close
Effects = tuple[Effect, ...]


class IllegalEventError(Exception):
    """An event that can't happen in this state: a bug of the driver."""


class Turn:
    """One turn. Feed it with `handle`, perform what it returns, and come back at `deadline`.

    `budget_s` is the limit of *active* work: time spent in GATHERING after a request and in PAUSED
    is not counted.
    """

    def __init__(self, budget_s: float, now: float) -> None:
        self.state = State.STARTING
        self.pending: dict[str, None] = {}
        """The open requests, in the order in which they were asked."""
        self._budget_s = budget_s
        self._remaining_s = budget_s
        self._active_since: float | None = now
        self._until = 0.0
        self._gathering_since = 0.0
        self._denied = False
        self._ending = Ending.CANCELLED

    @property
    def deadline(self) -> float | None:
        """When `Deadline` is due on the driver's clock; None in PAUSED and CLOSED."""
        if self.state in (State.PAUSED, State.CLOSED):
            return None
        if self.state in (State.GATHERING, State.CANCELLING):
            return self._until
        return (self._active_since or 0.0) + self._remaining_s

    def active_s(self, now: float) -> float:
        """Active work so far, in seconds; what is over `budget_s` is the grace of a cancel."""
        running = 0.0 if self._active_since is None else now - self._active_since
        return self._budget_s - self._remaining_s + running

    def handle(self, event: Event, now: float) -> Effects:
        """What to do about `event`.

        :raises IllegalEventError: if it can't happen in this state; nothing is changed then.
        """
        transition = _TABLE.get((self.state, type(event)))
        if transition is None:
            msg = f"{type(event).__name__} in {self.state.name}"
            raise IllegalEventError(msg)
        return transition(self, event, now)

    # The clock of active work

    def _bank(self, now: float) -> None:
        if self._active_since is not None:
            self._remaining_s -= now - self._active_since
            self._active_since = None

    def _run(self, now: float) -> None:
        self.state = State.RUNNING
        self._active_since = now

    def _gather(self, now: float, for_s: float) -> None:
        if self.state is not State.GATHERING:
            self._gathering_since = self._until = now
        self.state = State.GATHERING
        # A new request does not cut short the wait for what a denial does to the turn.
        until = max(self._until, now + for_s)
        self._until = min(until, self._gathering_since + GATHER_LIMIT_S)

    # Transitions

    def _settle_all(self) -> Effects:
        settled = tuple(Answer(request, Decision.CANCEL) for request in self.pending)
        self.pending.clear()
        return settled

    def _close(self, ending: Ending, now: float, *first: Effect) -> Effects:
        effects = (*first, *self._settle_all(), Close(ending))
        self._bank(now)
        self.state = State.CLOSED
        return effects

    def ready(self, _event: Event, _now: float) -> Effects:
        """The first prompt goes out."""
        self.state = State.RUNNING
        return (SendPrompt(),)

    def failed(self, _event: Event, now: float) -> Effects:
        """What was begun is in doubt: the agent is not used again."""
        return self._close(Ending.FAILED, now, Kill())

    def gone(self, _event: Event, now: float) -> Effects:
        """Nobody is there to answer; the group may still hold children."""
        return self._close(Ending.FAILED, now, Kill())

    def gone_while_cancelling(self, _event: Event, now: float) -> Effects:
        """It was to end anyway."""
        return self._close(self._ending, now, Kill())

    def end_before_prompt(self, event: Event, now: float) -> Effects:
        """Nothing was sent yet, so there is no turn of the agent's to cancel."""
        return self._close(Ending.TIMEOUT if isinstance(event, Deadline) else Ending.CANCELLED, now, Kill())

    def asked(self, event: Asked, now: float) -> Effects:
        """The policy's allow is answered at once; all else waits for a decision."""
        if event.allowed:
            return (Answer(event.request, Decision.ALLOW),)
        self._bank(now)
        self.pending[event.request] = None
        if self.state is State.PAUSED:
            return (Pause(),)
        self._gather(now, GATHER_S)
        return ()

    def asked_too_late(self, event: Asked, _now: float) -> Effects:
        """Whatever the turn's end, no request stays unanswered."""
        return (Answer(event.request, Decision.CANCEL),)

    def gathered(self, _event: Event, _now: float) -> Effects:
        """No more came: report."""
        self.state = State.PAUSED
        return (Pause(),)

    def withdrawn(self, event: Withdrawn, now: float) -> Effects:
        """A request that is not open any more (or never was) changes nothing."""
        if event.request not in self.pending:
            return ()
        del self.pending[event.request]
        if not self.pending:
            self._run(now)
        return (Answer(event.request, Decision.CANCEL),)

    def permit(self, event: Permit, now: float) -> Effects:
        """Decide one. A denial may end the agent's turn, and the other requests with it: wait for that."""
        if event.request not in self.pending:
            msg = f"Permit of {event.request!r}, which is not open"
            raise IllegalEventError(msg)
        del self.pending[event.request]
        self._denied = self._denied or not event.allow
        answer = Answer(event.request, Decision.ALLOW if event.allow else Decision.DENY)
        if not self.pending:
            self._run(now)
            return (answer,)
        if event.allow:
            return (answer, Pause())
        self._gather(now, DENIAL_SETTLES_S)
        return (answer,)

    def replied(self, event: Replied, now: float) -> Effects:
        """The answer; or, where a denial ended the agent's turn, the same session is prompted again."""
        if event.cancelled and self._denied:
            settled = self._settle_all()
            self._denied = False
            if self.state is not State.RUNNING:
                self._run(now)
            return (*settled, SendPrompt(after_denial=True))
        return self._close(Ending.CANCELLED if event.cancelled else Ending.ANSWERED, now)

    def replied_while_cancelling(self, _event: Event, now: float) -> Effects:
        """It obeyed."""
        return self._close(self._ending, now)

    def cancel(self, event: Event, now: float) -> Effects:
        """Ask the agent to end, and give it the grace."""
        self._ending = Ending.TIMEOUT if isinstance(event, Deadline) else Ending.CANCELLED
        settled = self._settle_all()
        self.state = State.CANCELLING
        self._until = now + CANCEL_GRACE_S
        return (SendCancel(), *settled)

    def cancel_ignored(self, _event: Event, now: float) -> Effects:
        """The grace is over."""
        return self._close(self._ending, now, Kill())

    def nothing(self, _event: Event, _now: float) -> Effects:
        """Too late to matter."""
        return ()


_Transition = Callable[[Turn, Any, float], Effects]
"""Each takes the very event of its row: the table is what makes that true, so the type says Any."""
_OPEN = (State.RUNNING, State.GATHERING, State.PAUSED)

_TABLE: dict[tuple[State, type[Event]], _Transition] = {
    (State.STARTING, Ready): Turn.ready,
    (State.STARTING, Failed): Turn.failed,
    (State.STARTING, Gone): Turn.gone,
    (State.STARTING, Cancel): Turn.end_before_prompt,
    (State.STARTING, Deadline): Turn.end_before_prompt,
    **{(state, Failed): Turn.failed for state in _OPEN},
    **{(state, Gone): Turn.gone for state in _OPEN},
    **{(state, Asked): Turn.asked for state in _OPEN},
    **{(state, Withdrawn): Turn.withdrawn for state in _OPEN},
    **{(state, Replied): Turn.replied for state in _OPEN},
    **{(state, Cancel): Turn.cancel for state in _OPEN},
    (State.RUNNING, Deadline): Turn.cancel,
    (State.GATHERING, Deadline): Turn.gathered,
    (State.PAUSED, Permit): Turn.permit,
    (State.CANCELLING, Asked): Turn.asked_too_late,
    (State.CANCELLING, Withdrawn): Turn.nothing,
    (State.CANCELLING, Replied): Turn.replied_while_cancelling,
    (State.CANCELLING, Gone): Turn.gone_while_cancelling,
    (State.CANCELLING, Failed): Turn.gone_while_cancelling,
    (State.CANCELLING, Cancel): Turn.nothing,
    (State.CANCELLING, Deadline): Turn.cancel_ignored,
    (State.CLOSED, Asked): Turn.asked_too_late,
    **{
        (State.CLOSED, event): Turn.nothing
        for event in (Ready, Failed, Withdrawn, Replied, Gone, Cancel, Deadline)
    },
}
