"""A session at work on a fake agent, as its callers and its agent see it.

    call = desk.ask()                       # a call under way
    prompt = await desk.prompt()            # what it sent to the agent
    prompt.asks("touch x")
    outcome = await call.outcome()

Leaving `at_work` checks what must hold after any test: each permission request was answered exactly
once, each turn was recorded exactly once, no call is left waiting, and the session still answers.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from codex_fusion.journal import Journal
from codex_fusion.outcome import Outcome, Status
from codex_fusion.permissions import Judgement
from codex_fusion.session import Ask, Session
from tests.support.fake_agent import Changes, FakeOpener
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from anyio.abc import TaskGroup

    from codex_fusion.events import PermissionRequest
    from tests.support.fake_agent import FakeAgent, Prompt

T = TypeVar("T")


class Call(Generic[T]):
    """A call under way: what it was shown, and what it comes to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: list[str] = []
        self.fault: Exception | None = None
        """What showing it anything raises."""
        self._changes = Changes()
        self._scope = anyio.CancelScope()
        self._result: T | None = None
        self._error: Exception | None = None
        self.over = False
        self.was_cancelled = False

    def show(self, line: str, doing: str) -> None:
        """See `conversation.Viewer`."""
        assert doing
        if self.fault is not None:
            raise self.fault
        self.shown.append(line)
        self._changes.tell()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Carry it out; what it raises is kept for `outcome`."""
        with self._scope:
            try:
                self._result = await work()
            except Exception as error:  # noqa: BLE001 raised again where it is asked for
                self._error = error
        self.over = True
        self.was_cancelled = self._result is None and self._error is None
        self._changes.tell()

    async def seen(self, text: str) -> None:
        """Until a line shows it."""
        await self._changes.until(lambda: any(text in line for line in self.shown))

    async def outcome(self) -> T:
        """What it comes to."""
        await self._changes.until(lambda: self.over)
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it was cancelled"
        return self._result

    async def cancel(self) -> None:
        """The client gives it up; returns when the call has ended."""
        self._scope.cancel()
        await self._changes.until(lambda: self.over)
        assert self.was_cancelled


class Desk:
    """A session at work, on a fake agent."""

    def __init__(self, tasks: TaskGroup, log: Path, *, nonce: str | None = "first") -> None:
        self.changes = Changes()
        self.opener = FakeOpener(self.changes)
        self.nonce = nonce
        self.judge: Callable[[PermissionRequest], Judgement] = asks_all_but_cat
        self.journal = Journal(log)
        self.calls: list[Call[Any]] = []
        self.session = Session(
            tasks=tasks,
            opener=self.opener,
            judge=self._judge,
            journal=self.journal,
            limit_s=LIMIT_S,
            nonce=lambda: self.nonce,
        )
        self._tasks = tasks
        self._log = log
        self._prompts_seen = 0

    def _judge(self, request: PermissionRequest) -> Judgement:
        return self.judge(request)  # whichever it is by then

    # --- the calls

    def ask(self, tool: str = "consult", **fields: Any) -> Call[Outcome]:  # noqa: ANN401 of an `Ask`
        """An asking tool, or `reply`."""
        fields.setdefault("reply", tool == "reply")
        fields.setdefault("debate", tool != "explore")
        ask = Ask(tool, lambda number: f"{tool} {number}", **fields)
        call: Call[Outcome] = Call(tool)
        return self._begun(call, lambda: self.session.ask(ask, call))

    def permit(
        self, *, allow: bool = True, note: str | None = None, request: str | None = None
    ) -> Call[Outcome]:
        """The tool of that name."""
        call: Call[Outcome] = Call("permit")
        return self._begun(
            call, lambda: self.session.permit(allow=allow, note=note, request=request, viewer=call)
        )

    def reset(self) -> Call[str]:
        """The tool of that name."""
        return self._begun(Call("reset"), self.session.reset)

    def _begun(self, call: Call[T], work: Callable[[], Coroutine[Any, Any, T]]) -> Call[T]:
        self.calls.append(call)
        self._tasks.start_soon(call.run, work)
        return call

    # --- the other side

    @property
    def agent(self) -> FakeAgent:
        """The one that was started last."""
        return self.opener.agents[-1]

    async def prompt(self) -> Prompt:
        """The next prompt that an agent got."""
        nth = self._prompts_seen
        self._prompts_seen += 1
        await self.changes.until(lambda: len(self._prompts()) > nth)
        return self._prompts()[nth]

    def _prompts(self) -> list[Prompt]:
        return [prompt for agent in self.opener.agents for prompt in agent.prompts]

    async def paused(self, *commands: str) -> tuple[Prompt, Outcome]:
        """A turn that waits for decisions on these commands."""
        call = self.ask()
        prompt = await self.prompt()
        for command in commands or ("touch x",):
            prompt.asks(command)
        outcome = await call.outcome()
        assert outcome.status is Status.PERMISSION
        return prompt, outcome

    async def answered(self, tool: str = "consult", text: str = "yes") -> Outcome:
        """A whole turn, without anything special in it."""
        call = self.ask(tool)
        (await self.prompt()).answers(text)
        outcome = await call.outcome()
        assert (outcome.status, outcome.text) == (Status.ANSWERED, text)
        return outcome

    def records(self) -> list[dict[str, Any]]:
        """What the journal's file holds."""
        lines = self._log.read_text().split("\n")[:-1] if self._log.is_file() else []
        return [json.loads(line) for line in lines]

    # --- what holds after any test

    async def check(self, *, recorded: bool) -> None:
        """Whatever happened: the session answers, and nothing is left over."""
        if (turn := self.session.snapshot().turn) is not None:
            await self.reset().outcome()
            assert turn.is_closed
        assert self.session.snapshot().waiting == 0
        self._prompts_seen = len(self._prompts())
        self.judge = asks_all_but_cat
        await self.answered()
        for agent in self.opener.agents:
            assert Counter(key for key, _ in agent.answered) == Counter(agent.asked), "one answer for each"
            assert all(option in (None, "yes", "no") for _, option in agent.answered), "nothing standing"
        numbers = [record["turn"] for record in self.records()]
        turns = self.session.snapshot().turns if recorded else 0
        assert numbers == list(range(1, turns + 1)), "each turn is recorded once"
        assert all(call.over for call in self.calls)


def asks_all_but_cat(request: PermissionRequest) -> Judgement:
    """What the guardian says of a command."""
    command = request.tool.command or ""
    return Judgement(
        command.startswith("cat"), "only reads" if command.startswith("cat") else "may do harm", command
    )


@asynccontextmanager
async def at_work(log: Path, *, nonce: str | None = "first", recorded: bool = True) -> AsyncIterator[Desk]:
    """A desk; at the end, what must hold after any test is checked, and every task of its has ended."""
    with anyio.fail_after(2 * LIMIT_S):
        async with anyio.create_task_group() as tasks:
            desk = Desk(tasks, log, nonce=nonce)
            try:
                yield desk
                await desk.check(recorded=recorded)
                await desk.session.close()
            except BaseException:
                tasks.cancel_scope.cancel()
                raise
