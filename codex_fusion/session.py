"""The driver of one workspace's session: admission, ask, permit, reset, status.

Admission is one lock, held for a *segment* (from an ask or a permit to its next report), never for
a whole turn: nothing can wedge behind a pause. Reset takes no lock.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from codex_fusion import policy
from codex_fusion.conversation import NOBODY, Brief, Conversation
from codex_fusion.driver import RunningTurn
from codex_fusion.errors import CallError
from codex_fusion.outcome import Decider, OpenRequest, Outcome, Problem, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import TaskGroup

    from codex_fusion.conversation import Opener, Viewer
    from codex_fusion.journal import Journal
    from codex_fusion.permissions import Judge

NO_DEBATE = "There is no debate to continue: {why}."
START_ONE = "Start one with `consult`, `review_plan`, `review_diff` or `brainstorm`."


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to Codex. `prompt` gets the debate's round; `limit_s` None: the configured one."""

    tool: str
    prompt: Callable[[int], str]
    debate: bool = True
    reply: bool = False
    limit_s: float | None = None
    asked: str = ""
    """In the caller's own words, for whoever reads it later."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is, for `status`; derived at the moment of asking."""

    conversation: Conversation | None
    agent_alive: bool
    turn: RunningTurn | None
    waiting: int
    last: Outcome | None
    now: float
    tokens: int
    turns: int
    resets: int


class Session:
    """Serializes turns over one conversation with Codex. Lives as long as `tasks`."""

    def __init__(  # noqa: PLR0913 what it stands on; workplace names each
        self,
        *,
        tasks: TaskGroup,
        opener: Opener,
        judge: Judge,
        journal: Journal,
        limit_s: float,
        nonce: Callable[[], str | None],
        keep: Callable[[RunningTurn], Awaitable[None]] | None = None,
    ) -> None:
        self._tasks = tasks
        self._opener = opener
        self._judge = judge
        self._journal = journal
        self._limit_s = limit_s
        self._read_nonce = nonce
        self._nonce = nonce()
        self._keep = keep
        self._admission = anyio.Lock()
        self._conversation: Conversation | None = None
        self._turn: RunningTurn | None = None
        self._turn_numbers = itertools.count(1)
        self._request_numbers = itertools.count(1)
        self._decided: dict[str, str] = {}
        self._fresh_because = "Codex was not asked anything yet"
        self._lost: list[str] = []
        self._last: Outcome | None = None
        self._tokens = 0
        self._turns = 0
        self._resets = 0

    # The calls

    async def ask(self, ask: Ask, viewer: Viewer) -> Outcome:
        """Ask Codex, and wait for the answer or the first pause.

        While he waits for a decision, or where the turn before this one in the queue pauses, the
        outcome is `BUSY` with what is open: nothing was asked.

        :raises CallError: for a reply with no debate to continue; no turn is spent.
        """
        await self.heed_clear()
        async with self._admitted(viewer):
            await self.heed_clear()
            await self._previous_settled(viewer)
            if (busy := self._busy(ask.tool)) is not None:
                return busy
            turn = self._begin(ask)
            return await self._segment(turn, viewer)

    async def permit(
        self,
        *,
        allow: bool,
        note: str | None,
        request: str | None,
        viewer: Viewer,
        by: Decider = Decider.CLAUDE,
    ) -> Outcome:
        """Decide an open request, and wait for what the same turn comes to.

        :raises CallError: if there is nothing to decide, or not clearly one thing; nothing is changed.
        """
        async with self._decidable(request, viewer) as ended:
            if ended is not None:
                return ended
            turn, chosen = self._choose(request, allow=allow)
            turn.decide(chosen.id, allow=allow, note=note, by=by)
            return await self._segment(turn, viewer)

    async def to_decide(self, request: str | None, viewer: Viewer) -> OpenRequest | Outcome:
        """The open request that a permit would decide, or how its turn ended. Decides nothing.

        :raises CallError: as `permit`.
        """
        async with self._decidable(request, viewer) as ended:
            return ended or self._choose(request, allow=False)[1]

    async def reset(self) -> str:
        """Drop Codex's context. Takes no lock; a turn under way is cancelled. Says what was dropped."""
        return await self._drop("a reset")

    def snapshot(self) -> Snapshot:
        """What is, at this moment. Starts nothing."""
        talk = self._conversation
        turn = self._turn if self._turn is not None and not self._turn.is_closed else None
        return Snapshot(
            conversation=talk,
            agent_alive=talk is not None and talk.agent.usable,
            turn=turn,
            waiting=self._admission.statistics().tasks_waiting,
            last=self._last,
            now=anyio.current_time(),
            tokens=self._tokens,
            turns=self._turns,
            resets=self._resets,
        )

    async def close(self) -> None:
        """End the agent's process group; every turn ends with it. Bounded in time."""
        await self._opener.close()

    # Segments

    @asynccontextmanager
    async def _decidable(self, request: str | None, viewer: Viewer) -> AsyncIterator[Outcome | None]:
        """Admitted, with nothing under way: the outcome of a turn that ended while it waited, or None."""
        await self.heed_clear()
        self._refuse_if_pointless(request)
        async with self._admitted(viewer):
            await self.heed_clear()
            self._refuse_if_pointless(request)
            await self._previous_settled(viewer)
            turn = self._turn
            over = turn is not None and turn.is_closed and not turn.reported
            yield turn.report() if turn is not None and over else None

    @asynccontextmanager
    async def _admitted(self, viewer: Viewer) -> AsyncIterator[None]:
        try:
            self._admission.acquire_nowait()
        except anyio.WouldBlock:
            turn = self._turn
            behind = f"turn {turn.brief.number} ({turn.brief.tool})" if turn is not None else "another call"
            viewer.show(f"↳ waiting for {behind} to end", f"waiting for {behind}")
            await self._admission.acquire()
        try:
            yield
        finally:
            self._admission.release()

    async def _segment(self, turn: RunningTurn, viewer: Viewer) -> Outcome:
        try:
            await turn.settled(viewer)
        except anyio.get_cancelled_exc_class():
            turn.cancel("the client")
            turn.reported = True
            raise
        return turn.report()

    def _begin(self, ask: Ask) -> RunningTurn:
        talk = self._usable_conversation()
        rounds = talk.round if talk is not None else 0
        if ask.reply and rounds == 0:
            explored = talk is not None and talk.turns > 0
            why = "Codex has only explored so far" if explored else self._fresh_because
            raise CallError(NO_DEBATE.format(why=why), START_ONE)
        number = rounds + 1 if ask.reply else 1
        brief = Brief(
            number=next(self._turn_numbers),
            tool=ask.tool,
            prompt=ask.prompt(number),
            limit_s=ask.limit_s or self._limit_s,
            round=number if ask.debate else None,
            asked=ask.asked,
        )
        turn = RunningTurn(
            brief,
            judge=self._judge,
            clock=anyio.current_time,
            request_id=lambda: f"r{next(self._request_numbers)}",
            record=self._journal.record(brief.prompt),
        )
        turn.notify(*self._left_behind())
        self._turn = turn
        self._turns += 1

        async def opened(say: Callable[[str], None]) -> Conversation:
            if talk is not None:
                return talk
            fresh = await self._opener.open(say)
            if self._turn is turn:
                self._conversation = fresh
            return fresh

        async def run() -> None:
            await turn.run(opened)
            self._ended(turn)
            if self._keep is not None:
                with anyio.CancelScope(shield=True):
                    await self._keep(turn)

        self._tasks.start_soon(run)
        return turn

    def _ended(self, turn: RunningTurn) -> None:
        outcome = turn.outcome()
        self._last = outcome
        self._decided.update(turn.decided)
        while len(self._decided) > 1_000:  # noqa: PLR2004 enough to explain any permit that comes late
            del self._decided[next(iter(self._decided))]
        if outcome.usage is not None:
            self._tokens += outcome.usage.total

    async def _previous_settled(self, viewer: Viewer) -> None:
        """Wait out a turn that nobody waits for: one that was cancelled, or that lost its open requests."""
        turn = self._turn
        if turn is not None and not (turn.paused or turn.is_closed):
            viewer.show(f"↳ waiting for turn {turn.brief.number} ({turn.brief.tool}) to end", "waiting")
            await turn.settled(NOBODY)

    def _left_behind(self) -> list[str]:
        """What the next result must tell: how the last turn ended, where nobody was told; a lost session."""
        notices, self._lost = self._lost, []
        turn = self._turn
        if turn is None or turn.reported:
            return notices
        turn.reported = True
        outcome = turn.outcome()
        ended = (
            f"Turn {outcome.turn} ({outcome.tool}) ended while nobody waited for it: {outcome.status.value}."
        )
        why = [outcome.problem.message] if outcome.problem else []
        wrote = [f"What Codex wrote in it:\n\n{outcome.text}"] if outcome.text else []
        return [" ".join((ended, *why, *wrote)), *notices]

    def _busy(self, tool: str) -> Outcome | None:
        turn = self._turn
        if turn is None or not turn.paused:
            return None
        open_now = turn.outcome()
        problem = Problem(
            f"Not asked: Codex still waits for a decision in turn {turn.brief.number} ({turn.brief.tool}).",
            "Decide it with `permit`, or drop the turn with `reset`; then call again.",
        )
        return Outcome(
            Status.BUSY,
            tool,
            turn.brief.number,
            problem=problem,
            requests=open_now.requests,
            session_id=open_now.session_id,
        )

    # Decisions

    def _refuse_if_pointless(self, request: str | None) -> None:
        """Before the queue: a permit for nothing must not wait to be told so."""
        turn = self._turn
        if turn is not None and turn.is_ending and not turn.reported:
            return  # nobody was told yet what became of it
        if request is not None and (fate := self._fate(request)) is not None:
            msg = f"Request {request} can't be decided any more: it was {fate}."
            raise CallError(msg, self._what_is_open(turn))
        if turn is None or turn.is_closed or not turn.open_requests:
            raise CallError(f"There is nothing to permit: {self._why_nothing(turn)}.", "")

    def _choose(self, request: str | None, *, allow: bool) -> tuple[RunningTurn, OpenRequest]:
        self._refuse_if_pointless(request)
        turn = self._turn
        if turn is None:  # pragma: no cover - refused above
            raise AssertionError
        if request is None and len(turn.open_requests) > 1:
            raise CallError("Several requests are open: name one in `request`.", self._what_is_open(turn))
        name = next(iter(turn.open_requests)) if request is None else request
        asked = turn.open_requests.get(name)
        if asked is None:
            raise CallError(f"There is no request {name!r}.", self._what_is_open(turn))
        if allow and policy.grant(asked.request) is None:
            raise CallError(
                f"Request {name} can't be allowed: the agent offers no way to allow it only once.",
                "Deny it; a standing permission is never given.",
            )
        return turn, asked

    def _fate(self, request: str) -> str | None:
        current = self._turn.decided.get(request) if self._turn is not None else None
        return current or self._decided.get(request)

    def _what_is_open(self, turn: RunningTurn | None) -> str:
        requests: tuple[OpenRequest, ...] = tuple(turn.open_requests.values()) if turn is not None else ()
        if not requests:
            return "Nothing is open now."
        return "Open now: " + "; ".join(f"{r.id}: {r.what}" for r in requests)

    def _why_nothing(self, turn: RunningTurn | None) -> str:
        if turn is None:
            return self._fresh_because
        name = f"turn {turn.brief.number} ({turn.brief.tool})"
        if not turn.is_closed:
            return f"{name} is running and waits for no decision"
        outcome = turn.outcome()
        why = f": {outcome.problem.message}" if outcome.problem else ""
        return f"{name} is over ({outcome.status.value}){why.rstrip('.')}"

    # The conversation

    def _usable_conversation(self) -> Conversation | None:
        talk = self._conversation
        if talk is None:
            return None
        if talk.agent.usable:
            return talk
        code = talk.agent.returncode
        if code is None:
            how = "ended, or hung up"
        else:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._fresh_because = f"the agent's process {how}"
        if talk.turns:
            self._lost = [f"Codex's session was lost: {self._fresh_because}. He remembers nothing of before."]
        self._conversation = None
        return None

    async def heed_clear(self) -> None:
        """Drop Codex's context if a person cleared the client's: the hook writes a new nonce then."""
        value = self._read_nonce()
        if value is not None and value != self._nonce:
            self._nonce = value
            await self._drop("the client's /clear")

    async def _drop(self, by: str) -> str:
        talk, turn = self._conversation, self._turn
        # Before anything is waited for: a call that comes next must find a fresh start.
        self._conversation = None
        self._fresh_because = f"Codex's context was dropped by {by}"
        self._resets += 1
        said = "Codex had no context: there was nothing to drop."
        if talk is not None:
            said = f"Codex's context is dropped ({talk.turns} turn{'s' if talk.turns != 1 else ''})."
        try:
            if turn is not None:
                turn.reported = True  # whoever waits for it gets its end; nobody else asks for it any more
                if not turn.is_closed:
                    turn.cancel(by)
                    await turn.closed.wait()
                    said += f" Turn {turn.brief.number} ({turn.brief.tool}) was under way and is cancelled."
        finally:
            if talk is not None:
                talk.agent.close_session(talk.session_id)
        return f"{said} The next call starts fresh."
