"""Permission requests, and what holds for any message: whatever the agent sends, reading it never raises."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.events import Option, OptionKind, PermissionRequest, ToolCall, ToolKind
from codex_fusion.wire import read_initialize, read_permission, read_prompt_result, read_session, read_update
from tests.support.acp_messages import (
    COMMAND,
    EDIT,
    OPTIONS,
    PERMISSION,
    PROMPT_RESULT,
    SESSION,
    SESSION_RESULT,
    air,
)


def test_a_request_is_judged_with_what_earlier_updates_said() -> None:
    known = {"call_2_1": ToolCall("call_2_1", "old title", ToolKind.EXECUTE, "in_progress", "touch y", "/w")}
    assert read_permission(PERMISSION, known) == PermissionRequest(
        SESSION,
        ToolCall("call_2_1", "touch y", ToolKind.EXECUTE, "in_progress", "touch y", "/w"),
        (
            Option("allow_once", "Yes, proceed", OptionKind.ALLOW_ONCE),
            Option("accept_execpolicy_amendment", "Yes, and don't ask again", OptionKind.ALLOW_ALWAYS),
            Option("cancel", "No, and tell Codex what to do differently", OptionKind.REJECT_ONCE),
        ),
        "need write",
    )


def test_a_request_without_earlier_updates_stands_for_itself() -> None:
    request = read_permission({**PERMISSION, "_meta": air("permission", {"title": "Make edits?"})}, {})
    assert request.tool == ToolCall("call_2_1", "touch y", command="touch y", cwd="/w")
    assert request.reason is None


def test_what_was_malformed_before_the_request_stays_malformed() -> None:
    assert read_permission(PERMISSION, {"call_2_1": ToolCall("call_2_1", malformed=True)}).tool.malformed


@pytest.mark.parametrize(
    "more", [{"url": "https://example.com"}, {"additionalPermissions": {"network": {}}}, {"new": 1}]
)
def test_a_request_for_more_than_its_command_is_not_taken_for_that_command(more: dict[str, Any]) -> None:
    call = {**PERMISSION["toolCall"], "rawInput": {"command": "touch y", "cwd": "/w", **more}}
    assert read_permission({**PERMISSION, "toolCall": call}, {}).tool.malformed


def test_what_a_request_says_in_its_content_is_part_of_the_reason() -> None:
    text = {"type": "content", "content": {"type": "text", "text": "https access to example.com"}}
    call = {**PERMISSION["toolCall"], "content": [text, {"type": "terminal"}]}
    assert (
        read_permission({**PERMISSION, "toolCall": call}, {}).reason
        == "need write\nhttps access to example.com"
    )


@pytest.mark.parametrize("call", [None, [], "touch y", {}, {"toolCallId": 1}, {"toolCallId": ""}])
def test_a_request_for_nothing_that_can_be_named_is_malformed(call: object) -> None:
    request = read_permission({**PERMISSION, "toolCall": call}, {"": ToolCall("", command="ls")})
    assert request.tool.malformed
    assert request.session_id == SESSION
    assert len(request.options) == 3


@pytest.mark.parametrize("options", [None, {}, "allow", [None], [{}], [{"optionId": 1}], [{"optionId": ""}]])
def test_options_that_cannot_be_read_are_no_options(options: object) -> None:
    request = read_permission({**PERMISSION, "options": options}, {})
    assert request.options == ()
    assert request.tool.malformed


def test_a_request_may_offer_nothing() -> None:
    request = read_permission({**PERMISSION, "options": []}, {})
    assert request.options == ()
    assert not request.tool.malformed


def test_an_option_of_an_unknown_kind_stays_but_is_never_the_one_to_choose() -> None:
    options = [{"optionId": "a", "name": "A", "kind": "allow_for_a_week"}, {"optionId": "b"}]
    request = read_permission({**PERMISSION, "options": options}, {})
    assert [option.kind for option in request.options] == [OptionKind.UNKNOWN, OptionKind.UNKNOWN]


def test_an_id_that_stands_for_two_answers_is_no_answer() -> None:
    twice = [{"optionId": "x", "kind": "allow_once"}, {"optionId": "x", "kind": "allow_always"}]
    request = read_permission({**PERMISSION, "options": [*twice, OPTIONS[2]]}, {})
    assert [option.id for option in request.options] == ["cancel"]
    assert request.tool.malformed


REAL = [COMMAND, EDIT, PERMISSION, SESSION_RESULT, PROMPT_RESULT]
words = st.sampled_from(
    sorted({k for message in REAL for k in message} | {"type", "path", "diff", "text", "id", "mode"})
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)


def places(value: object) -> list[list[Any]]:
    """Where a value holds values, itself included."""
    found: list[list[Any]] = [[]]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += [[key, *path] for path in places(inner)]
    return found


@st.composite
def damaged(draw: st.DrawFn, message: dict[str, Any]) -> Any:  # noqa: ANN401 any JSON
    """That message with another value in one place."""
    path = draw(st.sampled_from(places(message)))
    new = draw(values)
    if not path:
        return new
    result = copy.deepcopy(message)
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return result


def read_everything(value: object) -> None:
    assert isinstance(read_update(value)[0], str)
    read_update({"update": value})
    request = read_permission(value, {"t": ToolCall("t")})
    assert len({option.id for option in request.options}) == len(request.options)
    read_prompt_result(value)
    read_session(value)
    read_initialize(value)


@given(values)
def test_any_json_can_be_read(value: object) -> None:
    read_everything(value)


@given(st.sampled_from(REAL).flatmap(damaged))
def test_any_damaged_message_can_be_read(value: object) -> None:
    read_everything(value)


JUDGED = {"kind": "execute", "locations": [{"path": "/w/a"}], "rawInput": {"command": "touch y", "cwd": "/w"}}
WHOLE = {**PERMISSION["toolCall"], **JUDGED, "content": EDIT["content"]}


@given(damaged(WHOLE))
def test_damage_to_a_judged_field_never_passes_unseen(call: object) -> None:
    """Whatever became of the call: each judged field reads as what stands there, or the call is malformed."""
    tool = read_permission({**PERMISSION, "toolCall": call}, {}).tool
    if tool.malformed:
        return
    assert isinstance(call, dict)
    raw = call.get("rawInput") or {}
    assert tool.kind == (call.get("kind") or "unknown")
    assert tool.command == raw.get("command") or isinstance(raw["command"], list)
    assert tool.cwd == raw.get("cwd") or raw.get("cwd") is None
    located = [location["path"] for location in call.get("locations") or []]
    changed = [item["path"] for item in call.get("content") or [] if item["type"] == "diff"]
    assert set(tool.paths) == {*located, *changed}
    assert len(tool.changes) == len(changed)
