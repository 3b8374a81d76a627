"""What an agent tells us, as values: how two of them become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.events import FileChange, Option, OptionKind, PermissionRequest, ToolCall, ToolKind, Usage

CHANGE = FileChange("a.py", "old", "new")
KNOWN = ToolCall(
    "t1",
    title="Edit a.py",
    kind=ToolKind.EDIT,
    status="pending",
    command="sed -i a.py",
    cwd="/ws",
    paths=("a.py",),
    changes=(CHANGE,),
)


def test_an_update_that_says_nothing_erases_nothing() -> None:
    assert KNOWN.merged(ToolCall("t1")) == KNOWN
    assert ToolCall("t1").merged(KNOWN) == KNOWN


def test_what_an_update_says_is_the_news() -> None:
    later = ToolCall(
        "t1",
        title="Delete b.py",
        kind=ToolKind.DELETE,
        status="failed",
        command="",
        cwd="",
        paths=("b.py", "a.py"),
        changes=(FileChange("b.py", None, ""),),
    )
    assert KNOWN.merged(later) == ToolCall(
        "t1",
        title="Delete b.py",
        kind=ToolKind.DELETE,
        status="failed",
        command="",
        cwd="",
        paths=("a.py", "b.py"),
        changes=(CHANGE, FileChange("b.py", None, "")),
    )


def test_a_later_word_never_softens_what_a_call_is_known_to_do() -> None:
    reading = ToolCall("t1", kind=ToolKind.READ)
    for kind in (ToolKind.EXECUTE, ToolKind.DELETE, ToolKind.OTHER, ToolKind.FETCH):
        assert ToolCall("t1", kind=kind).merged(reading).kind is kind
        assert reading.merged(ToolCall("t1", kind=kind)).kind is kind


def test_the_last_word_on_a_file_is_the_one_that_counts() -> None:
    newer = FileChange("a.py", "old", "newer")
    assert KNOWN.merged(ToolCall("t1", changes=(newer,))).changes == (newer,)


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_what_could_not_be_read_once_stays_in_doubt(*, first: bool, second: bool) -> None:
    assert ToolCall("t1", malformed=first).merged(ToolCall("t1", malformed=second)).malformed


def test_of_two_options_of_a_kind_the_first_is_taken() -> None:
    once, other, reject = (
        Option("a", "Yes", OptionKind.ALLOW_ONCE),
        Option("b", "Yes, too", OptionKind.ALLOW_ONCE),
        Option("c", "No", OptionKind.REJECT_ONCE),
    )
    request = PermissionRequest("s1", KNOWN, (reject, once, other))
    assert request.option(OptionKind.ALLOW_ONCE) is once
    assert request.option(OptionKind.REJECT_ONCE) is reject
    assert request.option(OptionKind.ALLOW_ALWAYS) is None


counts = st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts, counts)


@given(usages, usages)
def test_the_use_of_two_prompts_adds_up_field_by_field(one: Usage, other: Usage) -> None:
    both = one + other
    assert both.total == one.total + other.total
    assert both.input == one.input + other.input
    assert both.cached == one.cached + other.cached
    assert both.output == one.output + other.output
    assert both.thought == one.thought + other.thought
