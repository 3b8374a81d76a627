"""The errors that a person or a model may read.

    FusionError                what happened, and what to do about it
    ├── ConfigurationError     the user's: every problem of the environment at once
    ├── CallError              the caller's: arguments, a permit for nothing, a reply to nobody
    └── AgentError             the agent's
        ├── AgentStartError    it could not be started, or a session could not be opened
        ├── ConfinementError   it does not report the confinement that was asked: nothing was sent
        └── AgentGoneError     it went away, or broke the protocol beyond use

Anything else that is raised is a bug of ours, and is reported as one.
"""

from __future__ import annotations


class FusionError(Exception):
    """What happened (`str(error)`), and what the reader can do about it (`remedy`, may be empty)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def explain(self) -> str:
        """Both, for a person: the message, then the remedy on a line of its own."""
        return f"{self}\n→ {self.remedy}" if self.remedy else str(self)


class ConfigurationError(FusionError):
    """The environment holds values that mean nothing; `problems` has one line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        lines = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(
            f"codex-fusion is not configured correctly:\n{lines}",
            "Correct these in the server's environment (for Claude Code: the `env` of its MCP entry), "
            "then reconnect.",
        )


class CallError(FusionError):
    """A tool call that can't be carried out as it stands; nothing was changed by it."""


class AgentError(FusionError):
    """The agent's fault. `stderr` is the tail of what it last wrote there."""

    def __init__(self, message: str, remedy: str = "", stderr: str = "") -> None:
        super().__init__(message, remedy)
        self.stderr = stderr

    def explain(self) -> str:
        """The message, the agent's last words, the remedy."""
        said = f"\nIts last words on stderr:\n{self.stderr}" if self.stderr else ""
        return f"{self}{said}" + (f"\n→ {self.remedy}" if self.remedy else "")


class AgentStartError(AgentError):
    """It could not be started, did not answer, or opened no session."""


class ConfinementError(AgentError):
    """The confinement that the agent reports is not the one that was asked: no prompt was sent."""


class AgentGoneError(AgentError):
    """It ended, or its connection broke, while something was expected of it."""


def alone(error: BaseException) -> BaseException:
    """The one error that explains, out of the groups that task groups raise: ours, if one is among them."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(FusionError)
        error = (ours or error).exceptions[0]
    return error
