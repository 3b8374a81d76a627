"""The rogue agent does what its script says, and tells what it saw: what the tests built on it lean on."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

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
    child_dies,
    chunks,
    close_stdin,
    close_stdout,
    error,
    exit_,
    failed_reply,
    flood,
    freeze,
    gate,
    half_line,
    hang,
    ignore,
    invalid_utf8,
    kill_self,
    late_update,
    mode,
    not_json,
    notice,
    orphan_response,
    raw,
    reply,
    result,
    sleep_until_cancel,
    spawn_child,
    stderr,
    stop_reading,
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


# --- cancelling


def test_cancelled_it_takes_back_what_is_open_and_ends_the_turn(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(ask(announced=False), text("never said"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        request = client.receive()
        client.cancel()
        withdrawal, response = client.until_response(prompt)
    assert withdrawal["params"] == {"requestId": request["id"]}
    assert response["result"]["stopReason"] == "cancelled"


def test_what_cancelling_does_can_be_scripted(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(gate("never opened"), text("never said"))
    rogue.prompt(sleep_until_cancel(), text("still here"), reply("end_turn"))
    rogue.on("session/cancel", text("too late"), error(-32603, "no"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        for waits, said, key in (
            ("gate", "too late", "error"),
            ("sleep_until_cancel", "still here", "result"),
        ):
            prompt = client.begin_prompt("x")
            rogue.wait_for("doing", do=waits)
            client.cancel()
            messages = client.until_response(prompt)
            assert text_of(messages) == said
            assert key in messages[-1]


@pytest.mark.parametrize("stubborn", [(hang(),), (ignore("session/cancel"), gate("g"))])
def test_it_can_take_no_notice_of_a_cancel(
    rogue: Rogue, tmp_path: Path, stubborn: tuple[Action, ...]
) -> None:
    rogue.prompt(*stubborn)
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        rogue.wait_for("doing")
        client.cancel()
        rogue.wait_for("session/cancel")
        # A request that came later is answered, so the prompt would have been.
        assert client.call("session/close", sessionId=client.session)["result"] == {}


# --- gates and orders


def test_it_waits_at_a_gate_until_the_test_opens_it(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(text("before "), gate("g"), text("after"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        rogue.wait_for("doing", do="gate", name="g")
        client.receive()
        rogue.open("g")
        assert text_of(client.until_response(prompt)) == "after"


def test_it_does_at_any_point_what_the_test_orders(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(ask(announced=False))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        request = client.receive()
        rogue.order(text("by the way"))
        rogue.wait_for("did", do="text")
        client.answer(request, "allow_once")
        assert text_of(client.until_response(prompt)) == "by the way"


@pytest.mark.anyio
async def test_a_test_on_the_event_loop_can_wait_too(rogue: Rogue, tmp_path: Path) -> None:
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        await rogue.happens("session/prompt")
        client.hang_up()
        await rogue.is_gone()


def test_a_wait_in_vain_tells_what_it_waited_for_and_what_there_was(rogue: Rogue, tmp_path: Path) -> None:
    with client_of(rogue, tmp_path) as client:
        client.open()
        with pytest.raises(AssertionError, match=r'session/prompt .* 2 in all(.|\n)*"event": "session/new"'):
            rogue.wait_for("session/prompt", count=2, limit_s=0)


# --- ends


@pytest.mark.parametrize(("end", "code"), [(exit_(0), 0), (exit_(7), 7), (kill_self(), -signal.SIGKILL)])
def test_it_can_end_in_mid_turn(rogue: Rogue, tmp_path: Path, end: Action, code: int) -> None:
    rogue.prompt(text("part"), end)
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        client.receive()
        assert client.line() is None
        assert client.ended() == code
    rogue.wait_until_gone()


def test_started_again_it_goes_on_with_the_next_prompt(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(kill_self()).prompt(text("second"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("1")
        client.ended()
    with client_of(rogue, tmp_path) as client:
        client.open()
        assert client.session == "rogue-2-1"
        assert text_of(client.until_response(client.begin_prompt("2"))) == "second"
    assert (rogue.starts, rogue.prompts()) == (2, ["1", "2"])


def test_it_can_die_at_each_start(rogue: Rogue, tmp_path: Path) -> None:
    rogue.dies_at_each_start(code=3, says="no licence")
    for _ in range(2):
        with client_of(rogue, tmp_path) as client:
            assert client.ended() == 3
            assert client.stderr() == b"no licence\n"
    assert rogue.starts == 2


def test_it_can_hang_before_it_reads_anything(rogue: Rogue, tmp_path: Path) -> None:
    rogue.always("start", hang())
    with client_of(rogue, tmp_path) as client:
        client.request("initialize")
        rogue.wait_for("doing", do="hang")
        client.process.terminate()
        assert client.ended() == 128 + signal.SIGTERM
    assert rogue.log("initialize") == []


def test_it_can_hang_up_and_live_on(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(text("part"), close_stdout(), text("to nobody"), gate("g"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        client.receive()
        assert client.line() is None
        rogue.wait_for("doing", do="gate")
        assert rogue.living() == [client.process.pid]


def test_it_can_stop_listening_and_live_on(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(close_stdin(), text("still here"), hang())
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        assert text_of([client.receive()]) == "still here"
        with pytest.raises(BrokenPipeError):
            client.send_line(b"{}")
    assert rogue.log("EOF") == []


def test_it_can_leave_messages_unread(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(stop_reading(), text("deaf"), gate("g"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        client.receive()
        client.cancel()
        rogue.open("g")
        assert client.until_response(prompt)[-1]["result"]["stopReason"] == "end_turn"
    assert rogue.log("session/cancel") == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_it_can_end_on_a_signal_in_its_own_way(rogue: Rogue, tmp_path: Path, name: str) -> None:
    rogue.on(name, text("one moment", session="rogue-1-1"), exit_(42))
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.process.send_signal(signal.Signals[name])
        assert text_of([client.receive()]) == "one moment"
        assert client.ended() == 42


def test_it_can_ignore_all_that_should_end_it(rogue: Rogue, tmp_path: Path) -> None:
    rogue.on("start", ignore("EOF"), ignore("SIGTERM"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.process.terminate()
        rogue.wait_for("SIGTERM")
        client.hang_up()
        rogue.wait_for("EOF")
        assert rogue.living() == [client.process.pid]
        assert client.process.poll() is None


def test_it_can_freeze(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(freeze(), text("thawed"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        prompt = client.begin_prompt("x")
        _, status = os.waitpid(client.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        client.process.send_signal(signal.SIGCONT)
        assert text_of(client.until_response(prompt)) == "thawed"


# --- children


def test_its_child_can_hold_its_streams_and_outlive_it(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(spawn_child("stdout"), kill_self())
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        assert client.ended() == -signal.SIGKILL
        child = rogue.wait_for("child")["pid"]
        os.kill(child, signal.SIGTERM)
        rogue.children_say("late")
        assert client.line() == b"late\n"  # so the stream is open, and the child took no notice of the signal
        rogue.wait_for("said")
        assert rogue.living() == [child]
        os.kill(child, signal.SIGKILL)
        rogue.wait_until_gone()
        assert client.line() is None


def test_its_child_can_die(rogue: Rogue, tmp_path: Path) -> None:
    rogue.prompt(spawn_child(own_session=True), child_dies(), text("orphaned"))
    with client_of(rogue, tmp_path) as client:
        client.open()
        assert text_of(client.until_response(client.begin_prompt("x"))) == "orphaned"
        child = rogue.log("child")[0]["pid"]
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_it_can_run_one_process_further_down(tmp_path: Path) -> None:
    with Rogue(tmp_path, wrapped=True) as rogue, client_of(rogue, tmp_path) as client:
        client.open()
        agent = rogue.log("start")[0]["pid"]
        assert rogue.living() == sorted([client.process.pid, agent])
        assert agent != client.process.pid
        client.hang_up()
        assert client.ended() == 0
        rogue.wait_until_gone()


def test_nothing_of_it_outlives_the_test(tmp_path: Path) -> None:
    rogue = Rogue(tmp_path)
    rogue.on("start", ignore("EOF"), ignore("SIGTERM"))
    rogue.prompt(spawn_child("stdin", "stdout", "stderr", own_session=True), hang())
    with client_of(rogue, tmp_path) as client:
        with rogue:
            client.open()
            client.begin_prompt("x")
            rogue.wait_for("doing", do="hang")
            assert len(rogue.living()) == 2
        assert rogue.living() == []
        assert client.ended() == -signal.SIGKILL
        assert client.line() is None  # the child is gone too: it would hold the stream open


def test_what_is_not_a_script_is_told(rogue: Rogue, tmp_path: Path) -> None:
    mistake: dict[str, Any] = {"do": "dance"}
    rogue.prompt(mistake)
    with client_of(rogue, tmp_path) as client:
        client.open()
        client.begin_prompt("x")
        assert client.ended() == 70
    assert "dance" in rogue.log("bug")[0]["error"]
