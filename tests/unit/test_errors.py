"""What a person reads of an error."""

from __future__ import annotations

import pytest

from codex_fusion.errors import (
    AgentError,
    AgentGoneError,
    AgentStartError,
    CallError,
    ConfigurationError,
    ConfinementError,
    FusionError,
    alone,
)


def test_an_error_is_explained_with_its_remedy_on_a_line_of_its_own() -> None:
    assert CallError("No such request.", "Open now: r1.").explain() == "No such request.\n→ Open now: r1."
    assert CallError("No such request.").explain() == "No such request."


def test_an_agents_error_is_explained_with_its_last_words() -> None:
    assert AgentGoneError("It went away.", "Call again.", "panic!").explain() == (
        "It went away.\nIts last words on stderr:\npanic!\n→ Call again."
    )
    assert AgentGoneError("It went away.").explain() == "It went away."


def test_a_wrong_configuration_is_told_whole() -> None:
    error = ConfigurationError(("A is wrong.", "B is too."))
    assert error.problems == ("A is wrong.", "B is too.")
    assert error.explain().startswith(
        "codex-fusion is not configured correctly:\n- A is wrong.\n- B is too.\n→ "
    )


@pytest.mark.parametrize("kind", [AgentStartError, ConfinementError, AgentGoneError])
def test_the_agents_faults_can_be_told_from_the_callers(kind: type[AgentError]) -> None:
    error = kind("x")
    assert isinstance(error, FusionError)
    assert not isinstance(error, CallError | ConfigurationError)


def test_out_of_nested_groups_the_error_that_is_ours_is_found() -> None:
    ours = AgentGoneError("x")
    group = BaseExceptionGroup("", [OSError(), BaseExceptionGroup("", [KeyboardInterrupt(), ours])])
    assert alone(group) is ours


def test_out_of_a_group_without_one_of_ours_the_first_error_explains() -> None:
    first = OSError()
    assert alone(ExceptionGroup("", [first, ValueError()])) is first
    assert alone(first) is first
