"""The permission requests of one turn: which are open, what became of each, and the one answer to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_fusion import policy, prompts
from codex_fusion.events import OptionKind
from codex_fusion.outcome import Decider, OpenRequest
from codex_fusion.turn import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_fusion.events import Asking, PermissionRequest

    Judge = Callable[[PermissionRequest], "Judgement"]


FATES_LIMIT = 1_000
"""Requests of a turn that are remembered once they are over: an agent may ask and take back for ever."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The guardian's word on a request: allowed or to be asked, why, and what it is in one line."""

    allowed: bool
    why: str
    what: str


@dataclass(slots=True)
class _Unanswered:
    asking: Asking
    what: str = "a request that was not looked at yet"


class Permissions:
    """Book-keeping only: the turn machine says what is answered, the driver sends it."""

    def __init__(self, new_name: Callable[[], str]) -> None:
        self.open: dict[str, OpenRequest] = {}
        """What can be decided, in the order in which it was asked."""
        self.fates: dict[str, str] = {}
        """What became of each request that was handed to a caller, and is not open any more."""
        self.asked: dict[str, str] = {}
        """What each that was handed to a caller is, in one line."""
        self._new_name = new_name
        self._unanswered: dict[str, _Unanswered] = {}
        self._denials: list[prompts.Denial] = []
        self._withdrawn: list[str] = []

    def add(self, asking: Asking) -> str:
        """Take a request in, under the name that it returns. From now on it is owed one answer."""
        name = self._new_name()
        self._unanswered[name] = _Unanswered(asking)
        return name

    def put(self, name: str, what: str, why: str) -> None:
        """Somebody must decide it."""
        unanswered = self._unanswered[name]
        unanswered.what = what
        self.asked[name] = what
        self.open[name] = OpenRequest(name, unanswered.asking.request, what, why)

    def named(self, key: int) -> str | None:
        """The name of the request with this key, if it was not answered yet."""
        return next((n for n, unanswered in self._unanswered.items() if unanswered.asking.key == key), None)

    def decide(self, name: str, *, allow: bool, by: Decider) -> OpenRequest:
        """It was decided, and can't be decided a second time; what it was."""
        self.fates[name] = f"{'allowed' if allow else 'denied'} by {by}"
        return self.open.pop(name)

    def deny(self, what: str, note: str | None, by: Decider) -> None:
        """Keep a denial for the prompt that tells of it."""
        self._denials.append(prompts.Denial(what, note, by_person=by is Decider.PERSON))

    def answer(self, name: str, decision: Decision, fate: str) -> tuple[int, str | None]:
        """Its one answer: a key, and the option to choose, None for "cancelled" (which is its `fate`)."""
        unanswered = self._unanswered.pop(name)
        self.open.pop(name, None)
        if decision is Decision.CANCEL:
            self.fates[name] = fate
            while len(self.fates) > FATES_LIMIT:
                oldest = next(iter(self.fates))
                del self.fates[oldest]
                self.asked.pop(oldest, None)
            if self._denials:
                self._withdrawn.append(unanswered.what)
        return unanswered.asking.key, _option(unanswered.asking.request, decision)

    def tell_denials(self) -> str:
        """The prompt that tells of the denials so far, and of what was withdrawn with them."""
        text = prompts.denied(tuple(self._denials), tuple(self._withdrawn))
        self._denials.clear()
        self._withdrawn.clear()
        return text

    def close(self) -> list[int]:
        """Nothing is open any more; the keys that no answer was sent for."""
        keys = [unanswered.asking.key for unanswered in self._unanswered.values()]
        self._unanswered.clear()
        self.open.clear()
        return keys


def _option(request: PermissionRequest, decision: Decision) -> str | None:
    """The option to choose; None is "cancelled". Nothing standing is ever chosen, in either direction."""
    match decision:
        case Decision.ALLOW:
            option = policy.grant(request)
        case Decision.DENY:
            option = request.option(OptionKind.REJECT_ONCE)
        case Decision.CANCEL:
            option = None
    return option.id if option is not None else None
