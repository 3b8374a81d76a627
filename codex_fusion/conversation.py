"""A session with Codex, and the seams through which the core reaches an agent. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_fusion.events import ContextUse, Sink


class AgentPort(Protocol):
    """What a turn needs of a running agent; `agent.Agent` is the real one."""

    @property
    def usable(self) -> bool:
        """Whether the next prompt may go to it."""

    @property
    def stderr(self) -> str:
        """The tail of what it wrote to stderr."""

    @property
    def returncode(self) -> int | None:
        """The process's exit code; None while it runs."""

    def mode(self, session_id: str) -> str | None:
        """The mode that it last reported for the session; None if it reported none."""

    def prompt(self, session_id: str, text: str, sink: Sink) -> None:
        """Send a prompt; everything it brings goes to the sink."""

    def cancel(self, session_id: str) -> None:
        """Ask the agent to end the session's turn."""

    def end_commands(self) -> None:
        """End the commands that it still runs: codex-acp 2.6.0 leaves those of a cancelled turn."""

    def close_session(self, session_id: str) -> None:
        """Let go of a session."""

    def answer(self, key: int, option: str | None) -> None:
        """Answer a permission request: an option's id, or None for "cancelled"."""

    async def kill(self) -> None:
        """End its process group, bounded in time."""


@dataclass(slots=True)
class Conversation:
    """One session: which agent holds it, how it is confined, and how far the debate has come."""

    agent: AgentPort
    session_id: str
    mode: str | None
    """The mode that was verified at its start; a report of any other one ends the turn. None: not watched."""
    opened_at: float
    """On the driver's clock."""
    confinement: str = ""
    """What is in force, in plain words."""
    agent_name: str = ""
    """The agent's own name, and its version."""
    codex_version: str = ""
    model: str = ""
    effort: str = ""
    notices: tuple[str, ...] = ()
    """What was found and set aside when it was opened; told once, with its first result."""
    round: int = 0
    """Of the debate; 0: there is none to continue."""
    turns: int = 0
    context: ContextUse | None = None

    @property
    def about(self) -> str:
        """Who answers, as far as it is known: the agent, Codex, the model and its effort."""
        words = (
            self.agent_name,
            self.codex_version and f"Codex {self.codex_version}",
            self.model and f"model {self.model}",
            self.effort and f"{self.effort} effort",
        )
        return ", ".join(word for word in words if word)


class Opener(Protocol):
    """Brings a session for a turn: an agent that runs, and a session confined as configured."""

    async def open(self, say: Callable[[str], None]) -> Conversation:
        """Start what must be started. `say` takes lines of progress. Cancelled, it leaves no process.

        :raises AgentError: with what was tried and what to do.
        """

    async def close(self) -> None:
        """End the agent, if one runs. Bounded in time."""


class Viewer(Protocol):
    """Who watches a turn while a call waits for it."""

    def show(self, line: str, doing: str) -> None:
        """One line of progress, and what the agent is doing now."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """The viewer between two calls."""

    def show(self, line: str, doing: str) -> None:
        """Look away."""


NOBODY = Nobody()


@dataclass(frozen=True, slots=True)
class Brief:
    """What one turn is for. `round` is None for what is no debate."""

    number: int
    tool: str
    prompt: str
    limit_s: float
    round: int | None = None
    asked: str = field(default="", repr=False)
    """The caller's own words, for the record."""
