"""Messages as codex-acp 2.6.0 sent them, with the opt-in, shortened."""

from __future__ import annotations

from typing import Any

SESSION = "01a1fc11-03e2-7a50-917d-c79ff591fa6d"

COMMAND: dict[str, Any] = {
    "sessionUpdate": "tool_call",
    "toolCallId": "call_2_1",
    "kind": "execute",
    "title": "touch y",
    "status": "in_progress",
    "content": [{"type": "terminal", "terminalId": "call_2_1"}],
    "rawInput": {"command": "touch y", "cwd": "/w"},
    "_meta": {"terminal_info": {"cwd": "/w", "terminal_id": "call_2_1"}},
}
EDIT: dict[str, Any] = {
    "sessionUpdate": "tool_call",
    "toolCallId": "call_1_0",
    "kind": "edit",
    "title": "Editing files",
    "status": "in_progress",
    "content": [
        {
            "type": "diff",
            "oldText": None,
            "newText": "hello\n",
            "path": "/w/new.txt",
            "_meta": {"kind": "add"},
        }
    ],
}
OPTIONS: list[Any] = [
    {"optionId": "allow_once", "name": "Yes, proceed", "kind": "allow_once"},
    {"optionId": "accept_execpolicy_amendment", "name": "Yes, and don't ask again", "kind": "allow_always"},
    {"optionId": "cancel", "name": "No, and tell Codex what to do differently", "kind": "reject_once"},
]
PERMISSION: dict[str, Any] = {
    "sessionId": SESSION,
    "toolCall": {
        "toolCallId": "call_2_1",
        "title": "touch y",
        "rawInput": {"command": "touch y", "cwd": "/w"},
    },
    "options": OPTIONS,
    "_meta": {
        "jetbrains": {
            "air": {
                "version": 1,
                "permission": {"version": 1, "title": "Run command?", "description": "need write"},
            }
        }
    },
}
SESSION_RESULT: dict[str, Any] = {
    "sessionId": SESSION,
    "modes": {"availableModes": [{"id": "read-only"}, {"id": "agent"}], "currentModeId": "agent"},
    "configOptions": [
        {
            "id": "mode",
            "type": "select",
            "currentValue": "read-only",
            "options": [
                {"value": "read-only", "name": "Read-only"},
                {"value": "agent", "name": "Auto review"},
            ],
        },
        {"id": "model", "type": "select", "currentValue": "gpt-5.5", "options": [{"value": "gpt-5.5"}]},
        {"id": "reasoning_effort", "type": "select", "currentValue": "medium", "options": []},
    ],
}
PROMPT_RESULT: dict[str, Any] = {
    "stopReason": "end_turn",
    "usage": {
        "totalTokens": 1050,
        "inputTokens": 800,
        "cachedReadTokens": 200,
        "cachedWriteTokens": 0,
        "outputTokens": 50,
        "thoughtTokens": 5,
    },
    "_meta": {"quota": {"token_count": None, "model_usage": []}},
}


def air(key: str, value: object) -> dict[str, Any]:
    return {"jetbrains": {"air": {"version": 1, key: value}}}
