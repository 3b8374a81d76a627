"""The nine tools, carried out: arguments in, a reply in words out. Knows nothing of MCP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from codex_fusion import long_answers, prompts, render, revisions, tools
from codex_fusion.errors import FusionError
from codex_fusion.human import CAN_NOT_ASK, Asked, Caller, Human, Means
from codex_fusion.session import Ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from codex_fusion.conversation import Viewer
    from codex_fusion.long_answers import Rest
    from codex_fusion.outcome import Outcome
    from codex_fusion.session import Session


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool call returns: text blocks, whether it is an error, and `_meta` of a turn."""

    texts: tuple[str, ...]
    is_error: bool = False
    turn: dict[str, Any] | None = None
    asked: Asked | None = None
    """A form that must be answered first; there is nothing else then."""


def refusal(error: FusionError) -> Reply:
    """An error before any turn."""
    return Reply((render.error_text(error),), is_error=True)


class Service:
    """Carries out tool calls on one session."""

    def __init__(
        self,
        session: Session,
        workspace: Path,
        status: Callable[[], str],
        rest: Callable[[int, str], Awaitable[Rest | None]],
        *,
        by_person: bool = False,
    ) -> None:
        self._session = session
        self._human = Human(session, required=by_person)
        self._workspace = workspace
        self._status = status
        self._rest = rest
        """Where the text of a turn goes on that begins so."""

    async def call(
        self, name: str, arguments: dict[str, Any] | None, viewer: Viewer, caller: Caller | None = None
    ) -> Reply:
        """Carry out one call; a `caller` that is not given can't have a person asked.

        Errors of ours (`FusionError`) become replies; a bug is raised.
        """
        try:
            given = tools.parse(name, arguments)
            match given:
                case tools.Status():
                    await self._session.heed_clear()
                    return Reply((self._status_for(caller),))
                case tools.Reset():
                    return Reply((await self._session.reset(),))
                case tools.Permit():
                    permitted = await self._human.permit(given, viewer, caller or Caller())
                    if isinstance(permitted, Asked):
                        return Reply((), asked=permitted)
                    outcome = permitted
                case _:
                    outcome = await self._session.ask(await self._ask(name, given), viewer)
        except FusionError as error:
            return refusal(error)
        return _reply(await self._fitting(outcome), by_person=self._human.required)

    def _status_for(self, caller: Caller | None) -> str:
        if caller is None or caller.means is not Means.NOTHING or not self._human.required:
            return self._status()
        return f"{self._status()}\n{CAN_NOT_ASK}: `permit` can only deny."

    async def _fitting(self, outcome: Outcome) -> Outcome:
        """The outcome, cut where its result would be too long for a client."""
        if not long_answers.is_long(outcome):
            return outcome
        outcome = long_answers.with_short_notices(outcome)
        head = long_answers.shown(outcome)
        rest = await self._rest(outcome.turn, head) if head != outcome.text else None
        return long_answers.shortened(outcome, head, rest)

    async def _ask(self, name: str, given: tools.Arguments) -> Ask:
        debate = True
        match given:
            case tools.Consult():
                text = prompts.consult(given.question, given.context)
            case tools.ReviewPlan():
                text = prompts.review_plan(given.plan, given.context)
            case tools.ReviewDiff():
                target = await revisions.resolve(
                    self._workspace, diff=given.diff, base=given.base, commit=given.commit
                )
                text = prompts.review_diff(target, given.paths, given.instructions)
            case tools.Brainstorm():
                text = prompts.brainstorm(given.problem, given.constraints)
            case tools.Explore():
                debate = False
                text = prompts.explore(given.focus, given.paths)
            case tools.Reply():
                reply = partial(prompts.reply, given.message)
                return Ask(name, reply, reply=True, limit_s=given.timeout_s, asked=given.message)
            case _:
                msg = f"{name} asks nothing"
                raise AssertionError(msg)
        return Ask(
            name,
            lambda _round: text,
            debate=debate,
            limit_s=getattr(given, "timeout_s", None),
            asked=_in_words(given),
        )


def _in_words(given: tools.Arguments) -> str:
    """What was asked, for whoever reads it later: the first argument by itself, the others by name."""
    told = [(name, value) for name, value in given if value and name != "timeout_s"]
    if not told:
        return "(no arguments)"
    words = [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in told]
    main = next(iter(type(given).model_fields))
    return "\n\n".join(text if name == main else f"{name}: {text}" for name, text in words)


def _reply(outcome: Outcome, *, by_person: bool) -> Reply:
    return Reply(
        tuple(render.texts(outcome, by_person=by_person)), render.is_error(outcome), render.meta(outcome)
    )
