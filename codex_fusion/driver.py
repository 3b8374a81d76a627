"""One turn under way: feeds the turn machine with what happens, and performs its effects.

A turn outlives the call that began it, so `run` lives in a task group of the server's. Each turn
has its own inbox, and the agent's handlers close over it: what belongs to an earlier turn, or to an
agent that was killed, can reach no later one. Everything goes through that inbox, decisions and
cancels too, so the machine sees one event at a time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from codex_fusion import diagnosis
from codex_fusion import turn as machine
from codex_fusion.account import Account
from codex_fusion.conversation import NOBODY
from codex_fusion.errors import AgentGoneError, ConfinementError, FusionError
from codex_fusion.events import Asking, Broken, Incoming, ModeChanged, PromptResult, TakenBack
from codex_fusion.inbox import Decide, Inbox, Item, NotOpened, Opened
from codex_fusion.journal import Judged, SessionOpened
from codex_fusion.permissions import Permissions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_fusion.conversation import Brief, Conversation, Viewer
    from codex_fusion.journal import Record
    from codex_fusion.outcome import Decider, OpenRequest, Outcome
    from codex_fusion.permissions import Judge
    from codex_fusion.transcript import Transcript
    from codex_fusion.turn import Effect, Event

    Open = Callable[[Callable[[str], None]], Awaitable[Conversation]]


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
        self.viewer: Viewer = NOBODY
        self.reported = False
        """Was its outcome handed to a caller? True, too, where nobody is left to hand it to."""
        self.closed = anyio.Event()
        self.began_at = clock()
        self.paused_at: float | None = None
        self._judge = judge
        self._clock = clock
        self._record = record
        self._account = Account(brief)
        self.permissions = Permissions(request_id)
        self._machine = machine.Turn(brief.limit_s, self.began_at)
        self._inbox = Inbox()
        self._stirred = anyio.Event()
        self._deciding = False
        self._cancelled_by: str | None = None

    # What the session asks of it

    @property
    def paused(self) -> bool:
        """Whether it waits for a decision: not any more once one, a cancel, or its end is on its way."""
        on_its_way = self._deciding or self._cancelled_by is not None
        if self._machine.state is not machine.State.PAUSED or on_its_way:
            return False
        # Nothing can be decided for an agent that is gone; the news of it comes a moment later.
        return self.conversation is not None and self.conversation.agent.usable

    @property
    def is_closed(self) -> bool:
        """Whether it is over, and everything of it cleaned up."""
        return self.closed.is_set()

    @property
    def is_ending(self) -> bool:
        """Whether nothing changes its outcome any more, though it is still being cleaned up."""
        return self._machine.state is machine.State.CLOSED

    @property
    def _is_running(self) -> bool:
        return self._machine.state is machine.State.RUNNING

    @property
    def conversation(self) -> Conversation | None:
        """The session it runs in, once that is open."""
        return self._account.conversation

    @property
    def transcript(self) -> Transcript:
        """What Codex wrote and did."""
        return self._account.transcript

    @property
    def open_requests(self) -> dict[str, OpenRequest]:
        """What can be decided."""
        return self.permissions.open

    @property
    def decided(self) -> dict[str, str]:
        """What became of each request that is not open any more."""
        return self.permissions.fates

    async def settled(self, viewer: Viewer) -> None:
        """Wait until the turn waits for a decision or is over; `viewer` watches meanwhile."""
        self.viewer = viewer
        try:
            while not (self.paused or self.is_closed):
                await self._stirred.wait()
        finally:
            if self.viewer is viewer:
                self.viewer = NOBODY

    def decide(self, request: str, *, allow: bool, note: str | None, by: Decider) -> None:
        """Decide an open request, then wait with `settled` for what comes of it."""
        self._deciding = True
        self._put(Decide(self.permissions.decide(request, allow=allow, by=by), allow, note, by))

    async def until_decided(self, request: str) -> None:
        """Wait until the request is not open any more, whatever ended that."""
        while request in self.open_requests:
            await self._stirred.wait()

    def cancel(self, by: str) -> None:
        """End the turn; `closed` tells when it is over. More than one cancel is one."""
        self._cancelled_by = self._cancelled_by or by
        self._put(machine.Cancel())

    def notify(self, *notices: str) -> None:
        """Add what the reader must know beside the answer."""
        self._account.notices += notices

    def report(self) -> Outcome:
        """The outcome for a caller, who gets each notice once."""
        outcome = self.outcome()
        self._account.notices = ()
        self.reported = self.is_closed
        return outcome

    def outcome(self) -> Outcome:
        """What there is to report now: the pause, or how it ended."""
        return self._account.outcome(
            self._machine.active_s(self._clock()), tuple(self.open_requests.values())
        )

    # The loop

    async def run(self, open_conversation: Open) -> None:
        """Drive the turn to its end. Nothing that goes wrong in it leaves this method but a cancellation."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._open, open_conversation)
                await self._drive()
                tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            if self._machine.state is not machine.State.CLOSED:
                self._cancelled_by = self._cancelled_by or "the end of the server"
                self._cut_short(machine.Ending.CANCELLED)
            raise
        finally:
            self._guarded(self._answer_the_rest)
            self._guarded(self._close_record)
            self.closed.set()
            self._stir()

    def _close_record(self) -> None:
        mode = self.conversation.mode if self.conversation is not None else None
        self._record.close(self.outcome(), mode, self.decided)

    async def _drive(self) -> None:
        try:
            while self._machine.state is not machine.State.CLOSED:
                await self._step()
        except Exception as error:  # noqa: BLE001 one bug in a turn fails that turn, not the server
            self._record.journal.bug(error)
            self._account.problem = diagnosis.of_error(error)
            self._cut_short(machine.Ending.FAILED)
            await self._kill()

    async def _open(self, open_conversation: Open) -> None:
        try:
            conversation = await open_conversation(lambda line: self._show(self.transcript.note(line)))
        except Exception as error:  # noqa: BLE001 told as the turn's end
            if not isinstance(error, FusionError):
                self._record.journal.bug(error)
            self._put(NotOpened(error))
        else:
            self._put(Opened(conversation))

    def _put(self, item: Item) -> None:
        if not self._inbox.put(item) and isinstance(item, Asking):
            self._answer(item.key, None)  # the turn is over: all else changes nothing

    async def _step(self) -> None:
        deadline = self._machine.deadline
        remaining = math.inf if deadline is None else deadline - self._clock()
        # Looked at first: a flood of messages must not hide that the time is over.
        item = await self._inbox.take(remaining) if remaining > 0 else None
        await (self._handle(machine.Deadline()) if item is None else self._take(item))

    async def _take(self, item: Item) -> None:
        if not isinstance(item, Opened):
            self._record.event(item, self._clock())
        match item:
            case Opened(conversation):
                await self._opened(conversation)
            case NotOpened(error):
                self._account.problem = diagnosis.of_error(error)
                await self._handle(machine.Failed())
            case Decide():
                await self._decided(item)
            case machine.Cancel():
                await self._handle(item)
            case _:
                await self._heard(item)

    async def _heard(self, item: Incoming) -> None:
        """Something came from the agent."""
        match item:
            case Asking():
                await self._asked(item)
            case TakenBack(key):
                await self._taken_back(key)
            case PromptResult() if self._account.never_began(item) and self._is_running:
                # Codex died between turns. Nobody looked: the agent starts him anew when it is asked again.
                self._show(self.transcript.note("Codex's own process had ended: he is asked again"))
                self._prompt(after_denial=False)
            case PromptResult():
                self._account.replied(item)
                await self._handle(machine.Replied(cancelled=item.stop_reason == "cancelled"))
            case Broken(error):
                self._account.problem = diagnosis.of_error(error)
                gone = isinstance(error, AgentGoneError)
                await self._handle(machine.Gone() if gone else machine.Failed())
            case ModeChanged(mode):
                if not self._confined_as_verified(mode):
                    await self._handle(machine.Failed())
            case _:
                line = self.transcript.add(item)
                if line is not None:
                    self._show(line)

    async def _opened(self, talk: Conversation) -> None:
        self._account.conversation = talk
        self._account.new_session = talk.turns == 0
        self._record.event(SessionOpened(talk.session_id, talk.mode, talk.turns == 0), self._clock())
        # It was verified when the session was opened; since then the agent may have changed it.
        if not self._confined_as_verified(talk.agent.mode(talk.session_id)):
            await self._handle(machine.Failed())
            return
        self._account.begin(talk)
        await self._handle(machine.Ready())

    async def _asked(self, asking: Asking) -> None:
        name = self.permissions.add(asking)
        judgement = self._judge(asking.request)
        self._record.event(Judged(name, judgement), self._clock())
        if judgement.allowed:
            self._show(self.transcript.note(f"allowed: {judgement.what} ({judgement.why})"))
        else:
            self.permissions.put(name, judgement.what, judgement.why)
            self._show(self.transcript.note(f"asks {name}: {judgement.what}"))
        await self._handle(machine.Asked(name, allowed=judgement.allowed))

    async def _taken_back(self, key: int) -> None:
        name = self.permissions.named(key)
        if name is not None:
            self._show(self.transcript.note(f"withdrew {name}"))
            await self._handle(machine.Withdrawn(name))

    async def _decided(self, decision: Decide) -> None:
        self._deciding = False
        asked = decision.request
        if asked.id not in self._machine.pending:
            self._stir()  # withdrawn while the decision was on its way: it goes on without it
            return
        if not decision.allow:
            self.permissions.deny(asked.what, decision.note, decision.by)
        word = "allowed" if decision.allow else "denied"
        note = f" — {decision.note}" if decision.note else ""
        self._show(self.transcript.note(f"{word} {asked.id}: {asked.what}{note}"))
        await self._handle(machine.Permit(asked.id, decision.allow))

    def _confined_as_verified(self, mode: str | None) -> bool:
        talk = self.conversation
        if talk is None or talk.mode is None or mode in (None, talk.mode):
            return True
        self._account.problem = diagnosis.of_error(
            ConfinementError(
                f"The agent changed its confinement to {mode!r}; {talk.mode!r} was asked and verified.",
                "It was ended at once. Call again for a new session; "
                "if this repeats, run `codex-fusion doctor`.",
            )
        )
        return False

    # Effects

    async def _handle(self, event: Event) -> None:
        if isinstance(event, machine.Deadline):
            self._record.event(event, self._clock())
        for effect in self._machine.handle(event, self._clock()):
            await self._perform(effect)
        if self._machine.state is not machine.State.PAUSED:
            self.paused_at = None
        self._stir()

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case machine.SendPrompt(after_denial):
                self._prompt(after_denial=after_denial)
            case machine.SendCancel():
                if self.conversation is not None:
                    self.conversation.agent.cancel(self.conversation.session_id)
            case machine.Answer(request, decision):
                self._answer(*self.permissions.answer(request, decision, self._fate()))
            case machine.Pause():
                self.paused_at = self.paused_at or self._clock()
            case machine.Kill():
                await self._kill()
            case machine.Close(ending):
                failed = ending is not machine.Ending.ANSWERED or self._account.problem is not None
                if failed and self.conversation is not None:
                    self.conversation.agent.end_commands()
                self._account.end(ending, self._cancelled_by)

    def _prompt(self, *, after_denial: bool) -> None:
        if self.conversation is None:
            return
        self.transcript.begin_prompt()
        text = self.permissions.tell_denials() if after_denial else self.brief.prompt
        self.conversation.agent.prompt(self.conversation.session_id, text, self._put)

    def _answer(self, key: int, option: str | None) -> None:
        if self.conversation is not None:
            self.conversation.agent.answer(key, option)

    def _fate(self) -> str:
        """What becomes of a request that nobody decided."""
        if self._cancelled_by is not None:
            return f"cancelled with its turn, by {self._cancelled_by}"
        if self._machine.state is machine.State.CLOSED:
            return "dropped when its turn ended"
        return "withdrawn: the step that asked for it ended"

    async def _kill(self) -> None:
        if self.conversation is None:
            return
        try:
            await self.conversation.agent.kill()
        except Exception as error:  # noqa: BLE001 the turn's end goes on
            self._record.journal.bug(error)

    def _cut_short(self, ending: machine.Ending) -> None:
        """Close the turn from whatever state it is in; what the machine would do about it is not done."""
        self._machine.handle(machine.Failed(), self._clock())
        self._account.end(ending, self._cancelled_by)

    def _answer_the_rest(self) -> None:
        """No request stays unanswered: neither those in the books, nor those that nobody read any more."""
        unread = (item.key for item in self._inbox.close() if isinstance(item, Asking))
        for key in (*self.permissions.close(), *unread):
            self._answer(key, None)

    def _guarded(self, work: Callable[[], None]) -> None:
        """The turn's end goes on, whatever fails on the way."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 see above
            self._record.journal.bug(error)

    def _stir(self) -> None:
        """Wake whoever waits, to look again."""
        self._stirred.set()
        self._stirred = anyio.Event()

    def _show(self, line: str) -> None:
        self.viewer.show(line, self.transcript.doing)
