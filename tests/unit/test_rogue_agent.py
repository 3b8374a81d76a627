"""The rogue agent says what its script says, and tells what it saw: what the tests built on it lean on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.raw_client import RawClient, text_of, updates
from tests.support.rogue import AGENT, Rogue
from tests.support.rogue_script import (
    COMMAND_OPTIONS,
    ONLY_STANDING,
    array,
    ask,
    ask_edit,
    bad_id,
    big_junk,
    big_line,
    chunks,
    error,
    exit_,
    failed_reply,
    flood,
    half_line,
    invalid_utf8,
    late_update,
    mode,
    not_json,
    notice,
    orphan_response,
    raw,
    reply,
    result,
    stderr,
    text,
    text_without_id,
    thought,
    tool,
    tool_update,
    unknown_method,
    unknown_update,
    usage,
    wait_for_answers,
    withdraw,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.rogue_script import Action


@pytest.fixture
def rogue(tmp_path: Path) -> Iterator[Rogue]:
    with Rogue(tmp_path) as rogue:
        yield rogue


def client_of(rogue: Rogue, cwd: Path, **env: str) -> RawClient:
    return RawClient(rogue.argv, cwd=cwd, env=env)


# --- what the script leaves out


def test_without_a_script_it_is_a_good_agent(rogue: Rogue, tmp_path: Path) -> None:
    with client_of(rogue, tmp_path, INITIAL_AGENT_MODE="permission-profile:p") as client:
        opened = client.open()
        assert opened["result"]["sessionId"] == "rogue-1-1"
        assert opened["result"]["configOptions"][0]["currentValue"] == "permission-profile:p"
        messages = client.until_response(
            client.request("session/set_mode", sessionId=client.session, modeId="read-only")
        )
        (update,) = updates(messages, "config_option_update")
        assert update["configOptions"][0]["currentValue"] == "read-only"
        answer = client.until_response(client.begin_prompt("hello"))
        assert (text_of(answer), answer[-1]["result"]["stopReason"]) == ("ok", "end_turn")
        assert client.call("session/close", sessionId=client.session)["result"] == {}
        assert client.call("session/teleport")["error"]["code"] == -32601
        client.hang_up()
        assert client.ended() == 0
    assert rogue.prompts() == ["hello"]
    assert [record["event"] for record in rogue.log() if "n" in record] == [
        "start",
        "initialize",
        "session/new",
        "session/set_mode",
        "session/prompt",
        "session/close",
        "session/teleport",
        "EOF",
    ]


def test_the_script_and_the_log_can_be_named_in_the_environment(tmp_path: Path) -> None:
    script, log = json.dumps({"always": {"session/prompt": [text("from env")]}}), tmp_path / "log"
    env = {"ROGUE_SCRIPT": script, "ROGUE_LOG": str(log)}
    with RawClient((sys.executable, str(AGENT)), cwd=tmp_path, env=env) as client:
        client.open()
        assert text_of(client.until_response(client.begin_prompt("x"))) == "from env"
        client.hang_up()
        assert client.ended() == 0
    assert json.loads(log.read_text().splitlines()[0])["event"] == "start"


# --- talk


def test_it_says_what_an_agent_says_in_the_order_of_the_script(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(
        thought("hm"),
        text("a ", message="m1"),
        tool("t", "Read file", locations=[{"path": "/x"}]),
        tool_update("t"),
        usage(10, 100),
        notice("Reconnecting... 1/5"),
        unknown_update(),
        text_without_id("b"),
        failed_reply("limit", "Out of credits"),
        late_update("rogue-0-0"),
    )
    with client_of(rogue, tmp_path) as client:
        client.open()
        messages = client.until_response(client.begin_prompt("x"))
        late = client.receive()
    kinds = [message["params"]["update"]["sessionUpdate"] for message in messages[:-1]]
    assert kinds == [
        "agent_thought_chunk",
        "agent_message_chunk",
        "tool_call",
        "tool_call_update",
        "usage_update",
        "session_info_update",
        "from_the_future",
        "agent_message_chunk",
    ]
    assert [piece.get("messageId") for piece in updates(messages, "agent_message_chunk")] == ["m1", None]
    failure = messages[-1]["result"]["_meta"]["jetbrains"]["air"]["sessionFailure"]
    assert (failure["category"], failure["title"]) == ("limit", "Out of credits")
    assert late["params"]["sessionId"] == "rogue-0-0"


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (not_json(), b"npm warn deprecated: this is no protocol"),
        (array(), b'[{"jsonrpc": "2.0", "id": 1, "result": {}}]'),
        (bad_id({"a": 1}), b'{"jsonrpc": "2.0", "id": {"a": 1}, "result": {}}'),
        (bad_id(None), b'{"jsonrpc": "2.0", "id": null, "result": {}}'),
        (orphan_response(), b'{"jsonrpc": "2.0", "id": 987654321, "result": {"stopReason": "end_turn"}}'),
        (
            unknown_method(),
            b'{"jsonrpc": "2.0", "id": "unknown-1", "method": "_future/method", "params": {}}',
        ),
        (unknown_method(request_id=None), b'{"jsonrpc": "2.0", "method": "_future/method", "params": {}}'),
        (raw(b"\x00\n"), b"\x00"),
        (big_junk(3), b"xxx"),
    ],
)
def test_it_says_what_nobody_should_say(rogue: Rogue, tmp_path: Path, action: Action, line: bytes) -> None:
    rogue.prompt(action)
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        assert client.line() == line + b"\n"


def test_it_can_leave_a_line_unfinished_and_send_what_is_no_utf_8(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(invalid_utf8(), half_line(), exit_())
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        first, second = client.line(), client.line()
        assert first is not None
        with pytest.raises(UnicodeDecodeError):
            first.decode()
        assert second == b'{"jsonrpc":"2.0","method":"session/upd'
        assert client.line() is None


def test_its_lines_can_be_of_any_length(rogue: Rogue, tmp_path: Path) -> None:
    size = 3_000_000
    rogue.prompt(big_line(size), stderr("e" * 70, size=500_000), stderr("last words", newline=False))
    with client_of(rogue, tmp_path) as client:
        client.open()
        messages = client.until_response(client.begin_prompt("x"))
        assert text_of(messages) == "x" * size
        client.hang_up()
        client.ended()
        written = client.stderr()
    assert len(written) == 500_000 + len("last words")
    assert written.startswith(b"e" * 70 + b"\n" + b"e" * 70)
    assert written.endswith(b"last words")


def test_a_flood_is_numbered_and_in_order(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(chunks(20_000, words="{n} "), flood(3))
    with client_of(rogue, tmp_path) as client:
        client.open()
        messages = client.until_response(client.begin_prompt("x"))
    assert text_of(messages) == "".join(f"{n} " for n in range(20_000))
    assert len(updates(messages, "session_info_update")) == 3
    assert len(rogue.log("did", do="flood")) == 2


# --- answers


def test_every_request_can_be_answered_as_the_script_says(rogue: Rogue, tmp_path: Path) -> None:
    rogue.on("initialize", result(protocolVersion=99))
    rogue.on("session/new", error(-32000, "Authentication required"))
    rogue.prompt(text("part"), reply("max_tokens"))
    with client_of(rogue, tmp_path) as client:
        assert client.call("initialize")["result"] == {"protocolVersion": 99}
        assert client.call("session/new", cwd="/")["error"]["message"] == "Authentication required"
        client.open()
        assert client.until_response(client.begin_prompt("x"))[-1]["result"]["stopReason"] == "max_tokens"


def test_it_can_lie_about_its_mode(rogue: Rogue, tmp_path: Path) -> None:
    rogue.on("session/new", mode("agent-full-access"))
    with client_of(rogue, tmp_path, INITIAL_AGENT_MODE="read-only") as client:
        assert client.open()["result"]["configOptions"][0]["currentValue"] == "agent-full-access"
        set_mode = client.request("session/set_mode", sessionId=client.session, modeId="read-only")
        (update,) = updates(client.until_response(set_mode), "config_option_update")
    assert update["configOptions"][0]["currentValue"] == "agent-full-access"


# --- permission requests


def test_it_asks_as_codex_acp_does_and_goes_on_after_an_allow(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(ask("touch x", reason="need write"), ask_edit("/w/a", "old", "new"), text("done"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        announced, command = client.receive(), client.receive()
        assert announced["params"]["update"]["rawInput"] == {"command": "touch x", "cwd": "/"}
        assert command["params"]["options"] == list(COMMAND_OPTIONS)
        permission = command["params"]["_meta"]["jetbrains"]["air"]["permission"]
        assert permission["description"] == "need write"
        client.answer(command, "allow_once")
        announced, edit = client.receive(), client.receive()
        assert announced["params"]["update"]["content"][0]["newText"] == "new"
        assert "kind" not in edit["params"]["toolCall"]
        client.answer(edit, "allow_once")
        assert text_of(client.until_response(prompt)) == "done"
    assert rogue.answers() == [(0, "allow_once"), (1, "allow_once")]


def test_a_rejection_ends_its_turn_as_cancelled(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(ask(announced=False), text("never said"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        client.answer(client.receive(), "cancel")
        (response,) = client.until_response(prompt)
    assert response["result"]["stopReason"] == "cancelled"


def test_several_requests_can_be_open_at_once_with_any_ids_and_options(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(
        ask("a", announced=False, answered=False),
        ask("b", announced=False, answered=False, ask_id="b", options=ONLY_STANDING),
        ask("c", announced=False, answered=False, ask_id=0, options=(), session="rogue-9-9"),
        wait_for_answers(),
        text("done"),
    )
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        a, b, c = client.receive(), client.receive(), client.receive()
        assert [a["id"], b["id"], c["id"]] == [0, "b", 0]
        assert c["params"]["sessionId"] == "rogue-9-9"
        assert c["params"]["options"] == []
        for request in (a, b, c):
            client.answer(request, "allow_once")
        assert text_of(client.until_response(prompt)) == "done"
        client.answer({"id": 77}, "allow_once")
        rogue.wait_for("answer", id=77, known=False)


def test_it_can_take_a_request_back(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(ask(announced=False, answered=False), withdraw(), wait_for_answers(), text("done"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        request = client.receive()
        assert client.receive()["method"] == "$/cancel_request"
        assert text_of(client.until_response(prompt)) == "done"
    assert rogue.log("asked") == [{"event": "asked", "start": 1, "id": request["id"], "session": "rogue-1-1"}]
