"""One turn under way: feeds the turn machine with what happens, and performs its effects.

A turn outlives the call that began it, so `run` lives in a task group of the server's. Each turn
has its own inbox, and the agent's handlers close over it: what belongs to an earlier turn, or to an
agent that was killed, can reach no later one. Everything goes through that inbox, decisions and
cancels too, so the machine sees one event at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from codex_fusion import diagnosis, prompts, verdict
from codex_fusion import turn as machine
from codex_fusion.conversation import NOBODY
from codex_fusion.errors import AgentGoneError, ConfinementError
from codex_fusion.events import Asking, Broken, Incoming, ModeChanged, OptionKind, PromptResult, TakenBack
from codex_fusion.outcome import OpenRequest, Outcome, Problem, Status
from codex_fusion.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_fusion.conversation import Brief, Conversation, Viewer
    from codex_fusion.events import PermissionRequest, Usage
    from codex_fusion.journal import Record
    from codex_fusion.turn import Effect, Event

    Judge = Callable[[PermissionRequest], "Judgement"]

_STATUS = {
    machine.Ending.ANSWERED: Status.ANSWERED,
    machine.Ending.CANCELLED: Status.CANCELLED,
    machine.Ending.TIMEOUT: Status.TIMEOUT,
    machine.Ending.FAILED: Status.FAILED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The guardian's word on a request: allowed or to be asked, why, and what it is in one line."""

    allowed: bool
    why: str
    what: str


@dataclass(frozen=True, slots=True)
class _Decide:
    request: str
    allow: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class _Opened:
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class _SessionOpened:
    session_id: str
    mode: str | None
    new: bool


@dataclass(frozen=True, slots=True)
class _NotOpened:
    error: Exception


_Item = Incoming | _Decide | _Opened | _NotOpened | machine.Cancel


class RunningTurn:
    """Make one, `run` it in a task group that outlives the call, and wait with `settled`."""

    def __init__(
        self,
        brief: Brief,
        *,
        judge: Judge,
        clock: Callable[[], float],
        request_id: Callable[[], str],
        record: Record,
    ) -> None:
        self.brief = brief
        self.transcript = Transcript()
        self.viewer: Viewer = NOBODY
        self.conversation: Conversation | None = None
        self.open_requests: dict[str, OpenRequest] = {}
        self.decided: dict[str, str] = {}
        """What became of each request of this turn that is not open any more."""
        self.reported = False
        """Was its outcome handed to a caller?"""
        self.closed = anyio.Event()
        self.began_at = clock()
        self.paused_at: float | None = None
        self._judge = judge
        self._clock = clock
        self._request_id = request_id
        self._record = record
        self._machine = machine.Turn(brief.limit_s, self.began_at)
        self._post, self._inbox = anyio.create_memory_object_stream[_Item](math.inf)
        self._quiet = anyio.Event()
        self._askings: dict[str, Asking] = {}
        self._denials: list[prompts.Denial] = []
        self._withdrawn: list[str] = []
        self._usage: Usage | None = None
        self._result: PromptResult | None = None
        self._problem: Problem | None = None
        self._ending = machine.Ending.FAILED
        self._cancelled_by = "the agent itself"
        self._new_session = False
        self._over = False

    # What the session asks of it

    @property
    def paused(self) -> bool:
        """Does it wait for a decision?"""
        return self._machine.state is machine.State.PAUSED

    @property
    def is_closed(self) -> bool:
        """Is it over, and everything of it cleaned up?"""
        return self.closed.is_set()

    async def settled(self, viewer: Viewer) -> None:
        """Wait until the turn pauses or is over; `viewer` watches meanwhile."""
        self.viewer = viewer
        try:
            await self._quiet.wait()
        finally:
            if self.viewer is viewer:
                self.viewer = NOBODY

    def decide(self, request: str, *, allow: bool, note: str | None) -> None:
        """Decide an open request, then wait with `settled` for what comes of it."""
        self._quiet = anyio.Event()
        self._put(_Decide(request, allow, note))

    def cancel(self, by: str) -> None:
        """End the turn; `closed` tells when it is over. More than one cancel is one."""
        if self._machine.state not in (machine.State.CANCELLING, machine.State.CLOSED):
            self._cancelled_by = by
        self._put(machine.Cancel())

    def outcome(self) -> Outcome:
        """What there is to report now: the pause, or how it ended."""
        talk = self.conversation
        common = Outcome(
            status=Status.PERMISSION,
            tool=self.brief.tool,
            turn=self.brief.number,
            text=self.transcript.answer or self.transcript.written,
            seconds=self._active_seconds(),
            usage=self._usage,
            context=self.transcript.context,
            session_id=talk.session_id if talk else None,
            new_session=self._new_session,
            round=self.brief.round,
            requests=tuple(self.open_requests.values()),
            stop_reason=self._result.stop_reason if self._result else None,
            notices=talk.notices if talk and self._new_session else (),
        )
        if not self._over:
            return common
        status = _STATUS[self._ending]
        if status is Status.ANSWERED and self._problem is not None:
            status = Status.FAILED
        answered = status is Status.ANSWERED
        text = self.transcript.answer if answered else self.transcript.written
        if self._result is not None and self._result.failure is not None:
            text = ""  # the text of such a turn is the failure's own (codex-acp 2.6.0)
        found = verdict.read(text) if answered and self.brief.round is not None else None
        return replace(common, status=status, text=text, problem=self._problem, verdict=found)

    # The loop

    async def run(self, open_conversation: Callable[[Callable[[str], None]], Awaitable[Conversation]]) -> None:
        """Drive the turn to its end. Nothing that goes wrong in it leaves this method but a cancellation."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._open, open_conversation)
                while self._machine.state is not machine.State.CLOSED:
                    await self._step()
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 one bug in a turn fails that turn, not the server
            await self._failed_by_bug(error)
        finally:
            self._over = True
            self.open_requests.clear()
            self._inbox.close()
            self._record.close(self)
            self.closed.set()
            self._quiet.set()

    async def _open(self, open_conversation: Callable[[Callable[[str], None]], Awaitable[Conversation]]) -> None:
        try:
            conversation = await open_conversation(lambda line: self._show(self.transcript.note(line)))
        except Exception as error:  # noqa: BLE001 told as the turn's end
            self._put(_NotOpened(error))
        else:
            self._put(_Opened(conversation))

    def _put(self, item: _Item) -> None:
        try:
            self._post.send_nowait(item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            # The turn is over: a late request still gets its answer, all else changes nothing.
            if isinstance(item, Asking) and self.conversation is not None:
                self.conversation.agent.answer(item.key, None)

    async def _step(self) -> None:
        deadline = self._machine.deadline
        remaining = math.inf if deadline is None else deadline - self._clock()
        if remaining <= 0:
            # Looked at first: a flood of messages must not hide that the time is over.
            await self._handle(machine.Deadline())
            return
        item: _Item | None = None
        with anyio.move_on_after(remaining):
            item = await self._inbox.receive()
        await (self._handle(machine.Deadline()) if item is None else self._take(item))

    async def _take(self, item: _Item) -> None:
        if not isinstance(item, _Opened):
            self._record.event(item, self._clock())
        match item:
            case _Opened(conversation):
                self._begin(conversation)
                opened = _SessionOpened(conversation.session_id, conversation.mode, self._new_session)
                self._record.event(opened, self._clock())
                await self._handle(machine.Ready())
            case _NotOpened(error):
                self._problem = diagnosis.of_error(error)
                await self._handle(machine.Failed())
            case Asking():
                await self._asked(item)
            case TakenBack(key):
                await self._taken_back(key)
            case _Decide():
                await self._decided(item)
            case PromptResult():
                self._replied(item)
                await self._handle(machine.Replied(cancelled=item.stop_reason == "cancelled"))
            case Broken(error):
                self._problem = diagnosis.of_error(error)
                gone = isinstance(error, AgentGoneError)
                await self._handle(machine.Gone() if gone else machine.Failed())
            case machine.Cancel():
                await self._handle(item)
            case ModeChanged(mode):
                await self._mode_changed(mode)
            case _:
                line = self.transcript.add(item)
                if line is not None:
                    self._show(line)

    def _begin(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._new_session = conversation.turns == 0
        conversation.turns += 1
        if self.brief.round is not None:
            conversation.round = self.brief.round

    def _replied(self, result: PromptResult) -> None:
        self._result = result
        if result.usage is not None:
            self._usage = result.usage if self._usage is None else self._usage + result.usage
        self._problem = diagnosis.of_result(result, self.transcript.answer)

    async def _asked(self, asking: Asking) -> None:
        judgement = self._judge(asking.request)
        name = self._request_id()
        self._askings[name] = asking
        if judgement.allowed:
            self._show(self.transcript.note(f"allowed: {judgement.what} ({judgement.why})"))
        else:
            self.open_requests[name] = OpenRequest(name, asking.request, judgement.what, judgement.why)
            self._show(self.transcript.note(f"asks {name}: {judgement.what}"))
        await self._handle(machine.Asked(name, allowed=judgement.allowed))

    async def _taken_back(self, key: int) -> None:
        name = next((name for name, asking in self._askings.items() if asking.key == key), None)
        if name is not None:
            self._show(self.transcript.note(f"withdrew {name}: {self.open_requests[name].what}"))
            await self._handle(machine.Withdrawn(name))

    async def _decided(self, decision: _Decide) -> None:
        if not self.paused or decision.request not in self.open_requests:
            # Withdrawn between the check and now: whoever waits is told what is open instead.
            if self.paused:
                self._quiet.set()
            return
        asked = self.open_requests[decision.request]
        word = "allowed" if decision.allow else "denied"
        self.decided[decision.request] = f"{word} by permit"
        if not decision.allow:
            self._denials.append(prompts.Denial(asked.what, decision.note))
        note = f" — {decision.note}" if decision.note else ""
        self._show(self.transcript.note(f"{word} {decision.request}: {asked.what}{note}"))
        await self._handle(machine.Permit(decision.request, decision.allow))

    async def _mode_changed(self, mode: str) -> None:
        talk = self.conversation
        if talk is None or talk.mode is None or mode == talk.mode:
            return
        self._problem = diagnosis.of_error(
            ConfinementError(
                f"In mid-turn the agent changed its confinement to {mode!r}; {talk.mode!r} was asked and verified.",
                "It was ended at once. Call again for a new session; if this repeats, run `codex-fusion doctor`.",
            )
        )
        await self._handle(machine.Failed())

    # Effects

    async def _handle(self, event: Event) -> None:
        if isinstance(event, machine.Deadline):
            self._record.event(event, self._clock())
        for effect in self._machine.handle(event, self._clock()):
            await self._perform(effect)
        if not self.paused:
            self.paused_at = None

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case machine.SendPrompt(after_denial):
                self._prompt(after_denial=after_denial)
            case machine.SendCancel():
                if self.conversation is not None:
                    self.conversation.agent.cancel(self.conversation.session_id)
            case machine.Answer(request, decision):
                self._answer(request, decision)
            case machine.Pause():
                self.paused_at = self.paused_at or self._clock()
                self._quiet.set()
            case machine.Kill():
                if self.conversation is not None:
                    await self.conversation.agent.kill()
            case machine.Close(ending):
                self._end(ending)

    def _prompt(self, *, after_denial: bool) -> None:
        if self.conversation is None:
            return
        self.transcript.begin_prompt()
        text = self.brief.prompt
        if after_denial:
            text = prompts.denied(tuple(self._denials), tuple(self._withdrawn))
            self._denials.clear()
            self._withdrawn.clear()
        self.conversation.agent.prompt(self.conversation.session_id, text, self._put)

    def _answer(self, name: str, decision: machine.Decision) -> None:
        asked = self.open_requests.pop(name, None)
        if decision is machine.Decision.CANCEL and asked is not None:
            self.decided[name] = "withdrawn: the step that asked for it ended"
            if self._denials:
                self._withdrawn.append(asked.what)
        asking = self._askings.pop(name)
        if self.conversation is not None:
            self.conversation.agent.answer(asking.key, _option(asking.request, decision))

    def _end(self, ending: machine.Ending) -> None:
        self._ending = ending
        if ending is machine.Ending.TIMEOUT:
            self._problem = diagnosis.of_timeout(self.brief.limit_s, self.transcript.doing)
        elif ending is machine.Ending.CANCELLED:
            self._problem = diagnosis.of_cancel(self._cancelled_by)
        if self.conversation is not None and self.transcript.context is not None:
            self.conversation.context = self.transcript.context

    async def _failed_by_bug(self, error: Exception) -> None:
        self._record.journal.bug(error)
        self._ending = machine.Ending.FAILED
        self._problem = diagnosis.of_error(error)
        if self.conversation is not None:
            await self.conversation.agent.kill()

    def _show(self, line: str) -> None:
        self.viewer.show(line, self.transcript.doing)

    def _active_seconds(self) -> float:
        return self._machine.active_s(self._clock())


def _option(request: PermissionRequest, decision: machine.Decision) -> str | None:
    """The option to choose; None is "cancelled". Nothing standing is ever chosen, in either direction."""
    kind = {
        machine.Decision.ALLOW: OptionKind.ALLOW_ONCE,
        machine.Decision.DENY: OptionKind.REJECT_ONCE,
    }.get(decision)
    option = request.option(kind) if kind is not None else None
    return option.id if option is not None else None
