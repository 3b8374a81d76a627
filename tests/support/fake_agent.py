"""An agent and its opener in this process: the test says what they do, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from codex_fusion.conversation import Conversation
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
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_fusion.events import Incoming, Sink

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
    commands_ended: int = 0
    """How often it was told to end them."""
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

    def end_commands(self) -> None:
        """The fake runs none; the real agent's are tests/server's matter."""
        self.commands_ended += 1

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
        self.heeds_cancel = True
        """Is what was begun given up at once when nobody wants it any more?"""
        self.fault: Exception | None = None
        """What the next `open` raises."""
        self.notices: tuple[str, ...] = ()
        self.mode: str | None = "confined"

    async def open(self, say: Callable[[str], None]) -> Conversation:
        self.opening += 1
        self.changes.tell()
        say("opening a session")
        if self.gate is not None:
            with anyio.CancelScope(shield=not self.heeds_cancel):
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


async def settle() -> None:
    """Until everything that can happen by itself has happened (all in this process, and no timers)."""
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
