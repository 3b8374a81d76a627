"""An agent and its opener in this process, and a session at work on them: the test says what happens, and when.

    paused = desk.ask()                     # a call under way
    prompt = await desk.prompt()            # what it sent to the agent
    key = prompt.asks("touch x")
    outcome = await paused.outcome()

Leaving `at_work` checks what must hold after any test: each permission request was answered exactly once, each
turn was recorded exactly once, no call is left waiting, and the session still answers.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from codex_fusion.conversation import Conversation
from codex_fusion.driver import Judgement
from codex_fusion.errors import AgentGoneError
from codex_fusion.events import (
    Asking,
    Broken,
    Option,
    OptionKind,
    PermissionRequest,
    PromptResult,
    TakenBack,
    Text,
    ToolCall,
    ToolKind,
    Usage,
)
from codex_fusion.journal import Journal
from codex_fusion.outcome import Outcome, Status
from codex_fusion.session import Ask, Session
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from anyio.abc import TaskGroup

    from codex_fusion.events import Incoming, Sink

T = TypeVar("T")

ONCE = Option("yes", "Yes", OptionKind.ALLOW_ONCE)
STANDING = Option("always", "Yes, and don't ask again", OptionKind.ALLOW_ALWAYS)
NO = Option("no", "No", OptionKind.REJECT_ONCE)
USAGE = Usage(total=100, input=80, cached=0, output=20, thought=0)


class Changes:
    """What can be waited for."""

    def __init__(self) -> None:
        self._news = anyio.Event()

    def tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        with anyio.fail_after(LIMIT_S):
            while not true():
                await self._news.wait()


@dataclass
class Prompt:
    """One prompt, as the agent got it. What it emits reaches whoever sent it, whatever became of him."""

    agent: FakeAgent
    session_id: str
    text: str
    sink: Sink
    ended: bool = False

    def emits(self, *items: Incoming) -> None:
        for item in items:
            if isinstance(item, Asking):
                self.agent.asked.append(item.key)
            self.sink(item)

    def says(self, text: str, message: str = "m1") -> None:
        self.emits(Text(text, message))

    def asks(self, command: str = "touch x", *, options: tuple[Option, ...] = (ONCE, STANDING, NO)) -> int:
        """Ask to run a command; the request's key."""
        key = len(self.agent.asked) + 1
        tool = ToolCall(f"call {key}", command, ToolKind.EXECUTE, command=command, cwd="/w")
        self.emits(Asking(key, PermissionRequest(self.session_id, tool, options)))
        return key

    def withdraws(self, key: int) -> None:
        self.emits(TakenBack(key))

    def ends(self, stop_reason: str = "end_turn", **fields: Any) -> None:  # noqa: ANN401 of a PromptResult
        self.ended = True
        self.emits(PromptResult(stop_reason, fields.pop("usage", USAGE), **fields))

    def answers(self, text: str = "yes") -> None:
        """Say it, and end."""
        self.says(text)
        self.ends()


@dataclass
class FakeAgent:
    """A `conversation.AgentPort`. It obeys a cancel, unless told otherwise."""

    changes: Changes
    obeys: bool = True
    usable: bool = True
    returncode: int | None = None
    stderr: str = "its last words"
    prompts: list[Prompt] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    answered: list[tuple[int, str | None]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Everything that was asked of it, in order."""
    modes: dict[str, str] = field(default_factory=dict)
    fault: Exception | None = None
    """What its next `kill` raises."""

    def mode(self, session_id: str) -> str | None:
        return self.modes.get(session_id)

    def prompt(self, session_id: str, text: str, sink: Sink) -> None:
        self.prompts.append(Prompt(self, session_id, text, sink))
        self._did("prompt")

    def cancel(self, session_id: str) -> None:
        self._did(f"cancel {session_id}")
        if self.obeys:
            self._running().ends("cancelled")

    def close_session(self, session_id: str) -> None:
        self._did(f"close {session_id}")

    def answer(self, key: int, option: str | None) -> None:
        self.answered.append((key, option))
        self._did(f"answer {key} {option}")

    async def kill(self) -> None:
        self._did("kill")
        await anyio.lowlevel.checkpoint()
        self.goes(-9)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def goes(self, code: int) -> None:
        """Its process ends, whoever ended it."""
        self.usable = False
        self.returncode = code if self.returncode is None else self.returncode
        for prompt in self.prompts:
            if not prompt.ended:
                prompt.ended = True
                prompt.emits(Broken(AgentGoneError("The agent went away.", "Call again.", self.stderr)))
        self.changes.tell()

    def _running(self) -> Prompt:
        return next(prompt for prompt in reversed(self.prompts) if not prompt.ended)

    def _did(self, call: str) -> None:
        self.calls.append(call)
        self.changes.tell()


class FakeOpener:
    """A `conversation.Opener`: an agent for the first session, and another one when that has gone."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.agents: list[FakeAgent] = []
        self.sessions = 0
        self.opening = 0
        """How often it was asked for a session."""
        self.gate: anyio.Event | None = None
        """Nothing is opened before that."""
        self.fault: Exception | None = None
        """What the next `open` raises."""
        self.notices: tuple[str, ...] = ()
        self.mode: str | None = "confined"

    async def open(self, say: Callable[[str], None]) -> Conversation:
        self.opening += 1
        self.changes.tell()
        say("opening a session")
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if not self.agents or not self.agents[-1].usable:
            self.agents.append(FakeAgent(self.changes))
        self.sessions += 1
        name = f"s{self.sessions}"
        if self.mode is not None:
            self.agents[-1].modes[name] = self.mode
        return Conversation(self.agents[-1], name, self.mode, anyio.current_time(), notices=self.notices)

    async def close(self) -> None:
        if self.agents and self.agents[-1].usable:
            await self.agents[-1].kill()


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

    def __init__(self, tasks: TaskGroup, log: Path, limit_s: float) -> None:
        self.changes = Changes()
        self.opener = FakeOpener(self.changes)
        self.nonce: str | None = "first"
        self.judge: Callable[[PermissionRequest], Judgement] = asks_all_but_cat
        self.journal = Journal(log)
        self.calls: list[Call[Any]] = []
        self.session = Session(
            tasks=tasks,
            opener=self.opener,
            judge=lambda request: self.judge(request),
            journal=self.journal,
            limit_s=limit_s,
            nonce=lambda: self.nonce,
        )
        self._tasks = tasks
        self._log = log
        self._prompts_seen = 0

    # --- the calls

    def ask(self, tool: str = "consult", **fields: Any) -> Call[Outcome]:  # noqa: ANN401 of an `Ask`
        """An asking tool, or `reply`."""
        fields.setdefault("reply", tool == "reply")
        fields.setdefault("debate", tool != "explore")
        ask = Ask(tool, lambda number: f"{tool} {number}", **fields)
        call: Call[Outcome] = Call(tool)
        return self._begun(call, lambda: self.session.ask(ask, call))

    def permit(self, *, allow: bool = True, note: str | None = None, request: str | None = None) -> Call[Outcome]:
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
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    # --- what holds after any test

    async def check(self) -> None:
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
        assert numbers == list(range(1, self.session.snapshot().turns + 1)), "each turn is recorded once"
        assert all(call.over for call in self.calls)


def asks_all_but_cat(request: PermissionRequest) -> Judgement:
    """What the guardian says of a command."""
    command = request.tool.command or ""
    return Judgement(command.startswith("cat"), "only reads" if command.startswith("cat") else "may do harm", command)


async def settle() -> None:
    """Until everything that can happen by itself has happened (all in this process, and no timers)."""
    for _ in range(100):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def at_work(log: Path, *, limit_s: float = LIMIT_S) -> AsyncIterator[Desk]:
    """A desk; at the end what must hold after any test is checked, and every task of the session's has ended."""
    with anyio.fail_after(2 * LIMIT_S):
        async with anyio.create_task_group() as tasks:
            desk = Desk(tasks, log, limit_s)
            try:
                yield desk
                await desk.check()
                await desk.session.close()
            except BaseException:
                tasks.cancel_scope.cancel()
                raise
