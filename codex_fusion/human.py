"""A permit under `CODEX_FUSION_PERMIT=human`: who is asked, how, and what the answer is worth.

While a person thinks, no lock is held, and nothing is decided: whatever happens to the request meanwhile is
found when the answer comes. An answer counts for the request that its form showed, and for no other; ids of
requests are never used twice.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import anyio

from codex_fusion import forms
from codex_fusion.errors import CallError
from codex_fusion.outcome import Decider, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_fusion.conversation import Viewer
    from codex_fusion.forms import Answer, Form
    from codex_fusion.outcome import OpenRequest
    from codex_fusion.session import Session
    from codex_fusion.tools import Permit

    Ask = Callable[[Form], Awaitable[Answer]]

FORMS_KEPT = 100
"""Forms that wait for an answer; one that nobody answers is forgotten after so many later ones."""
CAN_NOT_ASK = "A person decides here (CODEX_FUSION_PERMIT=human), and this client can't ask one"


CLAUDE_CODE = "claude-code"
"""The name by which Claude Code makes itself known."""
CONFIRMS_SINCE = (2, 1, 329)
"""The version of Claude Code of which it was measured that it heeds `requiresUserInteraction`."""


class Means(Enum):
    """How whoever calls `permit` can have a person asked."""

    FORM = auto()
    """The client shows a form of ours: what the person fills in counts, not what Claude proposed."""
    CONFIRMS = auto()
    """The client asks the person, before each call of `permit`, whether it may be made."""
    NOTHING = auto()
    KEYBOARD = auto()
    """The caller is the person (`codex-fusion ask`)."""
    NOBODY = auto()
    """The caller is `codex-fusion ask`, without a person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what came with the call."""

    means: Means = Means.NOTHING
    ask: Ask | None = None
    """Shows a form and waits for the answer; None with `FORM`: the form goes into the call's result."""
    answer: Answer | None = None
    """The answer to a form that went into the result of an earlier call,"""
    token: str | None = None
    """and the token that went with it."""


def client_means(name: str, version: str, *, shows_forms: bool) -> Means:
    """How a client can have a person asked, by what it says of itself.

    Claude Code shows forms as well, but lets hooks answer them, those of the workspace too; nothing answers
    its own question but a person. A model can't change what its client says; a client that lies could as
    well answer a form by itself.
    """
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    if name == CLAUDE_CODE and numbers >= CONFIRMS_SINCE:
        return Means.CONFIRMS
    return Means.FORM if shows_forms else Means.NOTHING


@dataclass(frozen=True, slots=True)
class Asked:
    """The call's result is a form; the answer comes with a second call, and this token."""

    form: Form
    token: str


@dataclass(frozen=True, slots=True)
class _Shown:
    asked: OpenRequest
    given: Permit


class Human:
    """Decides as the person says. `required` False: Claude's word is enough."""

    def __init__(self, session: Session, *, required: bool) -> None:
        self._session = session
        self.required = required
        self._shown: dict[str, _Shown] = {}

    async def permit(self, given: Permit, viewer: Viewer, caller: Caller) -> Outcome | Asked:
        """Carry out a call of `permit`, or say which form must be answered first.

        :raises CallError: if nothing could be decided; nothing is changed then.
        """
        by = self._decider(given, caller)
        if by is None:
            return await self._by_form(given, viewer, caller)
        request = given.request
        if by is Decider.CONFIRMED:
            asked = await self._session.to_decide(request, viewer)
            if isinstance(asked, Outcome):
                return asked
            _check_what_was_shown(asked, given)
            request = asked.id
        return await self._session.permit(
            allow=given.decision == "allow", note=given.note, request=request, viewer=viewer, by=by
        )

    async def _by_form(self, given: Permit, viewer: Viewer, caller: Caller) -> Outcome | Asked:
        if caller.token is not None or caller.answer is not None:
            shown = self._shown.pop(caller.token or "", None)
            if shown is None or shown.given != given:
                raise CallError(
                    "Nothing is decided: this answer belongs to no form that is open.", "Call `permit` again."
                )
            return await self._carry_out(shown, caller.answer or forms.Answer("cancel"), viewer)
        asked = await self._session.to_decide(given.request, viewer)
        if isinstance(asked, Outcome):
            return asked
        shown = _Shown(asked, given)
        form = forms.form(asked, forms.Proposal(given.decision == "allow", given.note))
        if caller.ask is None:
            return self._show_later(form, shown)
        viewer.show(f"↳ a person is asked to decide {asked.id}", f"a person is asked to decide {asked.id}")
        answer = await self._while_open(asked, caller.ask, form)
        return await (self._carry_out(shown, answer, viewer) if answer else self._gone(asked, viewer))

    def _decider(self, given: Permit, caller: Caller) -> Decider | None:
        """Whose word the call itself is; None: a form must be answered.

        :raises CallError: a person would have to be asked, and can't be.
        """
        match caller.means:
            case Means.KEYBOARD:
                return Decider.PERSON
            case Means.NOBODY:
                return Decider.NOBODY
            case _ if not self.required:
                return Decider.CLAUDE
            case Means.CONFIRMS:
                return Decider.CONFIRMED
            case Means.FORM:
                return None
        if given.decision == "allow":
            raise CallError(
                f"Nothing is allowed: {CAN_NOT_ASK}.",
                "Deny it, or tell the user: CODEX_FUSION_PERMIT=claude leaves the decision to you, "
                "and a client with MCP elicitation can ask them.",
            )
        return Decider.CLAUDE

    def _show_later(self, form: Form, shown: _Shown) -> Asked:
        token = secrets.token_urlsafe()
        self._shown[token] = shown
        while len(self._shown) > FORMS_KEPT:
            del self._shown[next(iter(self._shown))]
        return Asked(form, token)

    async def _while_open(self, asked: OpenRequest, ask: Ask, form: Form) -> Answer | None:
        """The answer; None: the request was decided or ended first, and the form was taken back."""
        answer: Answer | None = None
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                turn = self._session.snapshot().turn
                if turn is not None:
                    await turn.until_decided(asked.id)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            answer = await ask(form)
            tasks.cancel_scope.cancel()
        return answer

    async def _gone(self, asked: OpenRequest, viewer: Viewer) -> Outcome:
        """What became of a request while a person was asked; whoever waits for its turn's end gets that.

        :raises CallError: it says what became of it.
        """
        left = await self._session.to_decide(asked.id, viewer)
        if isinstance(left, Outcome):
            return left
        raise CallError("Nothing is decided.", "Call `permit` again.")  # pragma: no cover - it was gone

    async def _carry_out(self, shown: _Shown, answer: Answer, viewer: Viewer) -> Outcome:
        asked, given = shown.asked, shown.given
        decision = forms.read(answer)
        if decision is None:
            raise CallError(
                f"Nothing is decided: {forms.undecided(answer)}. Request {asked.id} stays open.",
                "Do not ask again by yourself: tell the user what Codex waits for. When they want to decide, "
                "call `permit` again; `reset` drops the turn.",
            )
        turn = self._session.snapshot().turn
        outcome = await self._session.permit(
            allow=decision.allow, note=decision.note, request=asked.id, viewer=viewer, by=Decider.PERSON
        )
        if turn is None or not turn.decided.get(asked.id, "").endswith(Decider.PERSON):
            return outcome  # the turn had ended by then, and this is how
        word = "allowed" if decision.allow else "denied"
        told = f"The person {word} {asked.id} ({asked.what})"
        if decision.allow is not (given.decision == "allow"):
            told += f", where you proposed {given.decision}"
        note = f" Their note: {decision.note}" if decision.note else ""
        return replace(outcome, notices=(f"{told}.{note}", *outcome.notices))


def _check_what_was_shown(asked: OpenRequest, given: Permit) -> None:
    """The person saw Claude's arguments and nothing else.

    :raises CallError: these do not say what Codex asks for.
    """
    if (given.what or "").strip() != forms.told(asked).strip():
        raise CallError(
            f"Nothing is decided: the person was not shown what {asked.id} asks for.",
            "Call `permit` again, and give in `what` the command word for word; "
            f"where there is none, the line that follows {asked.id} in the 🔐 result.",
        )
