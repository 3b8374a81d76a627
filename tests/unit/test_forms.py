from __future__ import annotations

import pytest

from codex_fusion.events import FileChange, Option, OptionKind, PermissionRequest, ToolCall, ToolKind
from codex_fusion.forms import Answer, Decision, Form, Proposal, form, read, told, undecided
from codex_fusion.outcome import OpenRequest

ONCE = Option("once", "Yes", OptionKind.ALLOW_ONCE)
ALWAYS = Option("always", "Always", OptionKind.ALLOW_ALWAYS)


def shown(command: str, *options: Option, note: str | None = None, reason: str = "to see") -> Form:
    tool = ToolCall("t", title="run", kind=ToolKind.EXECUTE, command=command, cwd="/ws")
    request = PermissionRequest("s1", tool, options or (ONCE,), reason)
    asked = OpenRequest("r7", request, f"run `{command}`", "a command outside the sandbox")
    return form(asked, Proposal(allow=True, note=note))


def test_the_form_shows_the_whole_request_then_claudes_note_and_what_an_answer_does() -> None:
    assert shown("touch x", note="it is\nfine").message == (
        "Codex asks for a permission. Claude proposes: allow.\n"
        "\n"
        "**r7** — run `touch x`\n"
        "command:\n"
        "```\n"
        "touch x\n"
        "```\n"
        "folder: /ws\n"
        "Codex's reason: to see\n"
        "why you are asked: a command outside the sandbox\n"
        "\n"
        "Claude's note: it is\\nfine\n"
        "Allow is for this one request only; with deny, Codex is told your note. Declining decides nothing."
    )


def test_nothing_in_it_acts_on_a_screen_and_nothing_is_taken_out_of_it() -> None:
    message = shown("export TOKEN=sk-abcdefghijklmnopqrstuvwx\r\x1b[2K\u202e\x07ls").message
    assert "export TOKEN=sk-abcdefghijklmnopqrstuvwx\\r\\x1b[2K\\u202e\\x07ls" in message
    assert all(c.isprintable() or c == "\n" for c in message)


def test_nothing_is_decided_by_default_and_only_what_can_be_allowed_once_can_be_allowed() -> None:
    decision = shown("x").schema["properties"]["decision"]
    assert decision == {"type": "string", "title": "Decision", "enum": ["deny", "allow"]}
    assert shown("x").schema["required"] == ["decision"]
    only = shown("x", ALWAYS)
    assert only.schema["properties"]["decision"]["enum"] == ["deny"]
    assert only.message.endswith("It can only be denied: the agent offers no way to allow it only once.")


def test_claudes_own_call_must_tell_all_of_a_command_or_else_the_line_that_names_the_request() -> None:
    def asked(tool: ToolCall) -> OpenRequest:
        return OpenRequest("r1", PermissionRequest("s1", tool, ()), "edit a.py", "why")

    change = FileChange("a.py", "old", "new")
    assert told(asked(ToolCall("t", command="touch x\nrm y"))) == "touch x\nrm y"
    assert told(asked(ToolCall("t", changes=(change,)))) == "edit a.py"
    assert told(asked(ToolCall("t", command="touch x", changes=(change,)))) == "edit a.py"


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (Answer("accept", {"decision": "allow"}), Decision(allow=True, note=None)),
        (Answer("accept", {"decision": "deny", "note": " no \n"}), Decision(allow=False, note="no")),
        (Answer("accept", {"decision": "allow", "note": "  "}), Decision(allow=True, note=None)),
        (Answer("accept", {"decision": "allow", "note": 3}), Decision(allow=True, note=None)),
        (Answer("accept", {"decision": True}), None),
        (Answer("accept", {"decision": ["allow"]}), None),
        (Answer("accept", {"decision": "Allow"}), None),
        (Answer("accept", {"note": "allow"}), None),
        (Answer("accept", {}), None),
        (Answer("accept"), None),
        (Answer("decline", {"decision": "allow"}), None),
        (Answer("cancel", {"decision": "allow"}), None),
        (Answer("", {"decision": "allow"}), None),
    ],
)
def test_only_an_accepted_form_with_a_decision_decides(answer: Answer, decision: Decision | None) -> None:
    assert read(answer) == decision


def test_why_there_is_no_decision_is_told() -> None:
    assert undecided(Answer("decline")) == "the person declined to decide"
    assert "nobody was there" in undecided(Answer("cancel"))
    assert "without a decision" in undecided(Answer("accept"))
    assert undecided(Answer("went\naway")) == "the client could not ask (went\\naway)"
    assert Proposal(allow=False, note=None).word == "deny"
