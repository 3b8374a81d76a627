"""Why there is no answer, and what to do next."""

from __future__ import annotations

import pytest

from codex_fusion import diagnosis
from codex_fusion.errors import AgentGoneError, CallError
from codex_fusion.events import PromptResult, SessionFailure
from codex_fusion.outcome import Problem


def test_a_turn_that_ended_with_an_answer_has_no_problem() -> None:
    assert diagnosis.of_result(PromptResult("end_turn"), "Yes.") is None
    assert diagnosis.of_result(PromptResult("cancelled"), "Yes.") is None


@pytest.mark.parametrize("stop_reason", ["end_turn", "cancelled"])
def test_an_empty_turn_is_no_answer(stop_reason: str) -> None:
    assert diagnosis.of_result(PromptResult(stop_reason), "") == Problem(
        "Codex ended the turn without writing an answer.",
        "Call again, or `reply` and ask for the answer; if it happens again, `reset`.",
    )


@pytest.mark.parametrize(
    ("category", "remedy"),
    [
        ("limit", "quota or rate limit is used up: wait"),
        ("service", "call again in a moment"),
        ("connection", "check network and proxy"),
        ("auth", "Run `codex login`"),
        ("authentication", "Run `codex login`"),
        ("something new", "`status` and the server's log have the details"),
    ],
)
def test_a_failure_behind_the_end_of_a_turn_is_told_whatever_the_text_was(category: str, remedy: str) -> None:
    result = PromptResult("end_turn", failure=SessionFailure(category, "It did not work"))
    problem = diagnosis.of_result(result, "You've hit your limit.")
    assert problem is not None
    assert problem.message == f"Codex could not answer ({category}): It did not work"
    assert remedy in problem.remedy
    assert diagnosis.of_result(result, "") == problem


def test_the_end_of_codex_under_its_agent_is_no_matter_of_the_network() -> None:
    failure = SessionFailure("connection", "Connection to Codex was lost.")
    problem = diagnosis.of_result(PromptResult("end_turn", failure=failure), "so far")
    assert problem == Problem(
        "Codex could not answer (connection): Connection to Codex was lost.",
        "Codex's own process ended. Call again: the agent starts it anew.",
    )


@pytest.mark.parametrize(
    ("stop_reason", "message", "remedy"),
    [
        ("max_tokens", "the model's output limit was reached", "Ask for less at once."),
        (
            "max_turn_requests",
            "the limit of model requests in one turn was reached",
            "Ask a narrower question",
        ),
        ("refusal", "The model refused to answer.", "Rephrase the question"),
        ("exhausted", "unknown stop reason, 'exhausted'", "check the agent's version"),
    ],
)
def test_a_turn_that_stopped_short_is_no_answer(stop_reason: str, message: str, remedy: str) -> None:
    problem = diagnosis.of_result(PromptResult(stop_reason), "Half an")
    assert problem is not None
    assert message in problem.message
    assert remedy in problem.remedy


def test_an_agents_error_is_told_with_its_last_words() -> None:
    error = AgentGoneError("The agent went away.", "Call again.", stderr="panic!")
    assert diagnosis.of_error(error) == Problem("The agent went away.", "Call again.", "panic!")


def test_an_error_of_the_caller_is_told_as_it_is() -> None:
    assert diagnosis.of_error(CallError("No.", "Do it so.")) == Problem("No.", "Do it so.")


def test_any_other_error_is_called_a_fault_of_our_own() -> None:
    assert diagnosis.of_error(KeyError("x")) == Problem(
        "A fault of codex-fusion's own ended this turn: KeyError: 'x'",
        "The next call starts Codex anew. Please report this with the server's stderr.",
    )


def test_a_timeout_names_the_limit_and_what_was_last_seen() -> None:
    problem = diagnosis.of_timeout(90.0, "runs `make`")
    assert problem.message == (
        "The time limit of 90 s of active work was reached; Codex was last seen: runs `make`."
    )
    assert "`timeout_s`" in problem.remedy
    assert "CODEX_FUSION_TURN_TIMEOUT_MS" in problem.remedy


def test_a_cancel_names_who_cancelled() -> None:
    assert diagnosis.of_cancel("a reset") == Problem("The turn was cancelled by a reset.")
