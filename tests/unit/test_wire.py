"""JSON from the agent → our values. The messages are codex-acp 2.6.0's own, as it sent them."""

from __future__ import annotations

from typing import Any

import pytest

from codex_fusion.events import (
    ContextUse,
    FileChange,
    ModeChanged,
    Notice,
    PromptResult,
    SessionFailure,
    Text,
    Thought,
    ToolCall,
    ToolKind,
    ToolUpdate,
    Update,
    Usage,
)
from codex_fusion.wire import (
    AgentReport,
    SessionReport,
    read_initialize,
    read_permission,
    read_prompt_result,
    read_session,
    read_update,
)
from tests.support.acp_messages import COMMAND, EDIT, PERMISSION, PROMPT_RESULT, SESSION, SESSION_RESULT, air


def update(kind: str, /, **fields: object) -> Update | None:
    session, read = read_update({"sessionId": SESSION, "update": {"sessionUpdate": kind, **fields}})
    assert session == SESSION
    return read


def tool(**changes: object) -> ToolCall:
    """What a `tool_call_update` with these fields says."""
    read = update("tool_call_update", **{"toolCallId": "t", **changes})
    assert isinstance(read, ToolUpdate)
    return read.tool


def test_a_message_chunk_is_text_with_the_id_of_its_message() -> None:
    chunk = {"messageId": "msg_1", "content": {"type": "text", "text": "I "}}
    assert update("agent_message_chunk", **chunk) == Text("I ", "msg_1")
    assert update("agent_message_chunk", content={"type": "text", "text": "I "}) == Text("I ")


def test_commentary_is_told_from_the_answer() -> None:
    chunk = {"messageId": "m", "content": {"type": "text", "text": "x"}}
    assert update("agent_message_chunk", **chunk, _meta=air("phase", "commentary")) == Text(
        "x", "m", commentary=True
    )
    assert update("agent_message_chunk", **chunk, _meta=air("phase", "final_answer")) == Text("x", "m")


def test_a_thought_chunk_is_a_thought() -> None:
    chunk = {"messageId": "rs_1", "content": {"type": "text", "text": "let "}}
    assert update("agent_thought_chunk", **chunk) == Thought("let ", "rs_1")


@pytest.mark.parametrize("content", [None, "text", {"type": "image", "text": "x"}, {"type": "text"}, [{}]])
@pytest.mark.parametrize("kind", ["agent_message_chunk", "agent_thought_chunk"])
def test_a_chunk_that_is_no_text_is_nothing(kind: str, content: object) -> None:
    assert update(kind, content=content) is None


def test_a_command_is_announced_with_its_folder() -> None:
    assert read_update({"sessionId": SESSION, "update": COMMAND}) == (
        SESSION,
        ToolUpdate(ToolCall("call_2_1", "touch y", ToolKind.EXECUTE, "in_progress", "touch y", "/w")),
    )


def test_a_file_change_is_announced_with_its_diff() -> None:
    changes = (FileChange("/w/new.txt", None, "hello\n"),)
    assert read_update({"sessionId": SESSION, "update": EDIT}) == (
        SESSION,
        ToolUpdate(
            ToolCall(
                "call_1_0",
                "Editing files",
                ToolKind.EDIT,
                "in_progress",
                paths=("/w/new.txt",),
                changes=changes,
            )
        ),
    )


def test_a_moved_file_has_both_of_its_paths() -> None:
    diff = {"type": "diff", "oldText": "a", "newText": "b", "path": "/elsewhere/new"}
    assert tool(locations=[{"path": "/w/old"}], content=[diff]).paths == ("/w/old", "/elsewhere/new")


def test_a_read_has_its_paths() -> None:
    locations = [{"path": "/w/a.txt"}, {"path": "/w/b.txt", "line": 3}, {"path": "/w/a.txt"}]
    assert tool(kind="read", locations=locations) == ToolCall(
        "t", kind=ToolKind.READ, paths=("/w/a.txt", "/w/b.txt")
    )


def test_an_update_says_only_what_it_says() -> None:
    fields = {"kind": None, "title": None, "locations": None, "rawInput": None, "content": None}
    assert tool(status="completed", **fields) == ToolCall("t", status="completed")


def test_a_command_in_words_is_quoted_as_a_shell_would_need_it() -> None:
    assert tool(rawInput={"command": ["cat", "a b", ""]}).command == "cat 'a b' ''"


def test_the_folder_of_a_terminal_is_the_command_s_folder() -> None:
    assert tool(_meta={"terminal_info": {"cwd": "/t"}}).cwd == "/t"
    assert (
        tool(rawInput={"command": "x", "cwd": "/raw"}, _meta={"terminal_info": {"cwd": "/t"}}).cwd == "/raw"
    )


def test_content_that_is_no_diff_changes_nothing() -> None:
    content = [
        {"type": "content", "content": {"type": "text", "text": "x"}},
        {"type": "terminal", "terminalId": "1"},
    ]
    assert tool(content=content) == ToolCall("t")


@pytest.mark.parametrize(
    "unreadable",
    [
        {"kind": "transmogrify"},
        {"kind": "unknown"},
        {"kind": ["read"]},
        {"kind": 1},
        {"locations": "/w/a"},
        {"locations": {}},
        {"locations": ["/w/a"]},
        {"locations": [{"path": ["/w/a"]}]},
        {"locations": [{"path": ""}]},
        {"locations": [{"path": "/w/a"}, {}]},
        {"rawInput": "rm -rf /"},
        {"rawInput": []},
        {"rawInput": {"command": {"cmd": "x"}}},
        {"rawInput": {"command": ""}},
        {"rawInput": {"command": []}},
        {"rawInput": {"command": ["rm", 1]}},
        {"rawInput": {"command": False}},
        {"rawInput": {"cwd": 1}},
        {"rawInput": {"cwd": ""}},
        {"_meta": {"terminal_info": {"cwd": []}}},
        {"content": {"type": "diff"}},
        {"content": ["diff"]},
        {"content": [{"type": "patch", "path": "/w/a"}]},
        {"content": [{}]},
        {"content": [{"type": "diff", "newText": "x"}]},
        {"content": [{"type": "diff", "path": "/w/a"}]},
        {"content": [{"type": "diff", "path": "/w/a", "newText": "x", "oldText": 1}]},
        {"content": [{"type": "diff", "path": 1, "newText": "x"}]},
    ],
)
def test_a_judged_field_that_cannot_be_read_is_said_and_not_guessed(unreadable: dict[str, Any]) -> None:
    call = tool(title="still read", **unreadable)
    assert call == ToolCall("t", "still read", malformed=True)
    request = read_permission({**PERMISSION, "toolCall": {"toolCallId": "t", **unreadable}}, {})
    assert request.tool.malformed


def test_a_tool_update_without_an_id_belongs_to_nothing() -> None:
    assert update("tool_call", title="x") is None
    assert update("tool_call", toolCallId=7) is None


def test_usage_tells_how_full_the_context_is() -> None:
    assert update("usage_update", used=1050, size=258400) == ContextUse(1050, 258400)


@pytest.mark.parametrize("used", [None, -1, True, 1.5, "1", 2**63])
def test_usage_that_is_no_count_is_nothing(used: object) -> None:
    assert update("usage_update", used=used, size=1) is None
    assert update("usage_update", used=1, size=used) is None


def test_a_retry_is_a_notice() -> None:
    failure = {"category": "connection", "severity": "warning", "title": "Reconnecting... 1/5", "actions": []}
    assert update("session_info_update", _meta=air("sessionFailure", failure)) == Notice(
        "Reconnecting... 1/5"
    )
    detailed = {**failure, "title": "Config", "details": "old key"}
    assert update("session_info_update", _meta=air("sessionFailure", detailed)) == Notice("Config — old key")


def test_a_retry_is_a_notice_without_the_opt_in_too() -> None:
    error = {"message": "Reconnecting... 2/5", "willRetry": True}
    assert update("session_info_update", _meta={"codex": {"error": error}}) == Notice("Reconnecting... 2/5")


def test_a_notice_update_is_a_notice() -> None:
    fields = {"severity": "info", "title": "Context compacted", "description": "to fit"}
    assert update("notice", **fields) == Notice("Context compacted — to fit")


def test_a_title_or_a_thread_status_is_no_notice() -> None:
    assert update("session_info_update", title="T") is None
    assert update("session_info_update", _meta={"codex": {"threadStatus": {"type": "idle"}}}) is None


def test_a_change_of_mode_is_told_however_it_comes() -> None:
    assert update("current_mode_update", currentModeId="agent") == ModeChanged("agent")
    assert update("config_option_update", configOptions=SESSION_RESULT["configOptions"]) == ModeChanged(
        "read-only"
    )


def test_a_mode_that_cannot_be_read_is_none_that_was_asked() -> None:
    assert update("current_mode_update", currentModeId=None) == ModeChanged("")
    assert update("config_option_update", configOptions=[{"id": "mode", "currentValue": 1}]) == ModeChanged(
        ""
    )


def test_other_options_say_nothing_of_the_mode() -> None:
    assert update("config_option_update", configOptions=[{"id": "model", "currentValue": "m"}]) is None
    assert update("config_option_update", configOptions=None) is None


@pytest.mark.parametrize("kind", ["plan", "available_commands_update", "user_message_chunk", "newer_than_us"])
def test_other_updates_are_nothing(kind: str) -> None:
    assert update(kind) is None


@pytest.mark.parametrize(
    "params", [None, [], "x", {}, {"sessionId": 1, "update": []}, {"update": {"sessionUpdate": {}}}]
)
def test_an_update_that_cannot_be_read_is_nothing_and_of_no_session(params: object) -> None:
    assert read_update(params) == ("", None)


def test_a_turn_s_result_has_its_usage() -> None:
    assert read_prompt_result(PROMPT_RESULT) == PromptResult("end_turn", Usage(1050, 800, 200, 50, 5))
    assert read_prompt_result(
        {"stopReason": "end_turn", "usage": {"totalTokens": 7, "inputTokens": "x"}}
    ) == (PromptResult("end_turn", Usage(7, 0, 0, 0, 0)))


def test_a_failed_turn_says_so() -> None:
    title = "exceeded retry limit, last status: 429 Too Many Requests"
    failure = {"id": "x", "category": "limit", "severity": "error", "title": title, "actions": ["retry"]}
    result = {"stopReason": "end_turn", "usage": None, "_meta": air("sessionFailure", failure)}
    assert read_prompt_result(result) == PromptResult("end_turn", None, SessionFailure("limit", title))
    assert read_prompt_result({"_meta": air("sessionFailure", {"id": "x"})}).failure == SessionFailure(
        "unknown", ""
    )


def test_a_warning_is_no_failure() -> None:
    failure = {"category": "connection", "severity": "warning", "title": "Reconnecting... 1/5"}
    assert (
        read_prompt_result({"stopReason": "cancelled", "_meta": air("sessionFailure", failure)}).failure
        is None
    )


@pytest.mark.parametrize(
    ("result", "reason"), [({"stopReason": "bored"}, "bored"), ({}, "unknown"), (None, "unknown")]
)
def test_an_unknown_stop_reason_is_kept_and_a_missing_one_is_unknown(result: object, reason: str) -> None:
    assert read_prompt_result(result) == PromptResult(reason)


def test_a_session_reports_its_mode_and_model() -> None:
    assert read_session(SESSION_RESULT) == SessionReport(
        SESSION, "read-only", ("read-only", "agent"), "gpt-5.5", "medium"
    )


def test_without_configuration_options_the_modes_tell_the_mode() -> None:
    result = {"sessionId": SESSION, "modes": SESSION_RESULT["modes"]}
    assert read_session(result) == SessionReport(SESSION, "agent", ("read-only", "agent"), None, None)


def test_a_mode_option_that_cannot_be_read_is_not_replaced_by_a_guess() -> None:
    result = {**SESSION_RESULT, "configOptions": [{"id": "mode", "currentValue": ["agent"]}]}
    assert read_session(result) == SessionReport(SESSION, None, (), None, None)


def test_modes_may_be_offered_in_groups() -> None:
    options = [{"group": "g", "options": [{"value": "a"}, {"value": 1}]}, {"value": "b"}]
    result = {"configOptions": [{"id": "mode", "currentValue": "a", "options": options}]}
    assert read_session(result).modes == ("a", "b")


@pytest.mark.parametrize("result", [None, [], "x", {"sessionId": 7, "modes": [], "configOptions": {}}])
def test_a_session_that_cannot_be_read_reports_nothing(result: object) -> None:
    assert read_session(result) == SessionReport(None, None, (), None, None)


def test_an_agent_reports_its_name_and_what_its_sessions_can() -> None:
    result = {
        "protocolVersion": 1,
        "agentInfo": {"name": "@agentclientprotocol/codex-acp", "title": "Codex", "version": "2.6.0"},
        "agentCapabilities": {
            "loadSession": True,
            "sessionCapabilities": {"resume": {}, "close": {}, "fork": None},
        },
    }
    assert read_initialize(result) == AgentReport(
        "@agentclientprotocol/codex-acp", "2.6.0", frozenset({"resume", "close"}), 1
    )


@pytest.mark.parametrize(
    "result", [None, [], {}, {"agentInfo": 1, "agentCapabilities": {"sessionCapabilities": []}}]
)
def test_an_agent_that_says_nothing_readable_is_nobody(result: object) -> None:
    assert read_initialize(result) == AgentReport("", "", frozenset())
