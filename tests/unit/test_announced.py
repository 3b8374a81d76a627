"""What is kept of announced tool calls: all that was said, within limits, and never as less than it was."""

from __future__ import annotations

import pytest

from codex_fusion.announced import CALLS_LIMIT, SIZE_LIMIT, Announced, size_of, size_of_request
from codex_fusion.events import FileChange, Option, OptionKind, PermissionRequest, ToolCall, ToolKind

HALF = "x" * (SIZE_LIMIT // 2)
LARGE = "x" * (SIZE_LIMIT + 1)


def test_what_is_said_of_a_call_adds_up() -> None:
    announced = Announced()
    announced.add(ToolCall("t1", title="Edit", kind=ToolKind.EDIT))
    announced.add(ToolCall("t2"))
    whole = ToolCall("t1", title="Edit", kind=ToolKind.EDIT, paths=("a.py",))
    assert announced.add(ToolCall("t1", paths=("a.py",))) == whole
    assert announced.calls["t1"] == whole


def test_only_so_many_calls_are_kept_and_those_heard_of_last() -> None:
    announced = Announced()
    for number in range(CALLS_LIMIT):
        announced.add(ToolCall(f"t{number}"))
    announced.add(ToolCall("t0", status="completed"))
    announced.add(ToolCall("one more"))
    assert len(announced.calls) == CALLS_LIMIT
    assert "t0" in announced.calls
    assert "t1" not in announced.calls


def test_calls_that_are_large_together_are_forgotten_the_oldest_first() -> None:
    announced = Announced()
    for number in range(20):
        announced.add(ToolCall(f"t{number}", changes=(FileChange("a", None, HALF),)))
        assert announced.size == sum(map(size_of, announced.calls.values())) <= SIZE_LIMIT
    assert list(announced.calls) == ["t19"]


@pytest.mark.parametrize(
    "large",
    [
        ToolCall("t", kind=ToolKind.READ, title=LARGE),
        ToolCall("t", kind=ToolKind.READ, command=LARGE),
        ToolCall("t", kind=ToolKind.READ, paths=(LARGE,)),
        ToolCall("t", kind=ToolKind.READ, paths=tuple(map(str, range(100_000)))),
        ToolCall("t", kind=ToolKind.READ, changes=(FileChange("a", LARGE, ""),)),
        ToolCall("t", kind=ToolKind.READ, changes=(FileChange("a", None, LARGE),)),
    ],
    ids=["title", "command", "path", "paths", "old text", "new text"],
)
def test_a_call_that_is_too_large_by_itself_can_not_be_judged_any_more(large: ToolCall) -> None:
    announced = Announced()
    assert announced.add(large) == ToolCall("t", kind=ToolKind.READ, malformed=True)
    later = announced.add(ToolCall("t", paths=("a.py",)))
    assert later.malformed
    assert announced.size < 1_000


def test_a_call_that_grows_update_by_update_has_the_same_limit() -> None:
    announced = Announced()
    announced.add(ToolCall("t", changes=(FileChange("a", None, HALF),)))
    assert announced.add(ToolCall("t", changes=(FileChange("b", None, HALF),))).malformed


def test_a_call_with_a_name_that_is_too_large_is_not_kept() -> None:
    announced = Announced()
    assert announced.add(ToolCall(LARGE)).malformed
    assert (announced.calls, announced.size) == ({}, 0)


def test_the_size_of_a_request_counts_all_that_it_brings() -> None:
    tool = ToolCall("t", command="make")
    options = (Option("yes", "Yes", OptionKind.ALLOW_ONCE),)
    small, more = PermissionRequest("s", tool, ()), PermissionRequest("s", tool, options, "because")
    assert size_of_request(small) == size_of(tool)
    assert size_of_request(more) >= size_of(tool) + len("yes" + "Yes" + "because")
