"""Why there is no answer, and what to do next. Pure.

A turn of codex-acp 2.6.0 that failed ends as `end_turn` like any other; what tells it apart is the
`sessionFailure` that the client opted in to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_fusion.errors import AgentError, FusionError
from codex_fusion.outcome import Problem

if TYPE_CHECKING:
    from codex_fusion.events import PromptResult, SessionFailure

_REMEDIES = {
    "limit": "Codex's quota or rate limit is used up: wait, or change the plan or model, then call again.",
    "service": "The model's service failed, not this question: call again in a moment.",
    "connection": "The model's address could not be reached: check network and proxy, then call again.",
    "auth": "Run `codex login` in a terminal, then call again.",
    "authentication": "Run `codex login` in a terminal, then call again.",
}
_LOST = "Connection to Codex was lost"
"""codex-acp 2.6.0 tells the end of Codex's own process as a failed connection; that is not the network's."""
_STOPS = {
    "max_tokens": (
        "Codex stopped in mid-answer: the model's output limit was reached.",
        "Ask for less at once.",
    ),
    "max_turn_requests": (
        "Codex stopped: the limit of model requests in one turn was reached.",
        "Ask a narrower question, or `reply` to let him go on.",
    ),
    "refusal": (
        "The model refused to answer.",
        "Rephrase the question; Codex may have dropped it from his context.",
    ),
}


def of_result(result: PromptResult, answer: str) -> Problem | None:
    """What is wrong with a turn that ended; None: nothing, `answer` is Codex's."""
    if result.failure is not None:
        return _of_failure(result.failure)
    if result.stop_reason in _STOPS:
        message, remedy = _STOPS[result.stop_reason]
        return Problem(message, remedy)
    if result.stop_reason not in ("end_turn", "cancelled"):
        return Problem(
            f"The agent ended the turn with an unknown stop reason, {result.stop_reason!r}.",
            "What he wrote until then stands below; check the agent's version against the supported one.",
        )
    if not answer:
        return Problem(
            "Codex ended the turn without writing an answer.",
            "Call again, or `reply` and ask for the answer; if it happens again, `reset`.",
        )
    return None


def was_lost(result: PromptResult) -> bool:
    """Whether Codex's own process ended under the agent."""
    return result.failure is not None and result.failure.title.startswith(_LOST)


def _of_failure(failure: SessionFailure) -> Problem:
    remedy = _REMEDIES.get(failure.category, "Call again; `status` and the server's log have the details.")
    if failure.title.startswith(_LOST):
        remedy = "Codex's own process ended. Call again: the agent starts it anew."
    return Problem(f"Codex could not answer ({failure.category}): {failure.title}", remedy)


def of_error(error: Exception) -> Problem:
    """An error that ended the turn. Whatever is none of ours is a bug, and says so."""
    if isinstance(error, AgentError):
        return Problem(str(error), error.remedy, error.stderr)
    if isinstance(error, FusionError):
        return Problem(str(error), error.remedy)
    return Problem(
        f"A fault of codex-fusion's own ended this turn: {type(error).__name__}: {error}",
        "The next call starts Codex anew. Please report this with the server's stderr.",
    )


def of_timeout(limit_s: float, doing: str) -> Problem:
    """The turn's limit of active work was reached."""
    return Problem(
        f"The time limit of {limit_s:g} s of active work was reached; Codex was last seen: {doing}.",
        "Call again with a larger `timeout_s`, or set CODEX_FUSION_TURN_TIMEOUT_MS; or ask for less at once.",
    )


def of_cancel(by: str) -> Problem:
    """Somebody ended the turn."""
    return Problem(f"The turn was cancelled by {by}.", "")
