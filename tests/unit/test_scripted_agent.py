from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from acp import schema

from codex_fusion.scripted_agent import COUNTER, QUESTION
from tests.support.raw_client import Message, RawClient, text_of, updates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel

ARGV = (sys.executable, "-m", "codex_fusion.scripted_agent", "--pace")
AT_ONCE, NEVER_ENDING = "0", "1000"
OPT_IN = {"_meta": {"jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}}}}

MODELS: dict[str, type[BaseModel]] = {
    "session/update": schema.SessionNotification,
    "session/request_permission": schema.RequestPermissionRequest,
}


@pytest.fixture
def codex(tmp_path: Path) -> Iterator[RawClient]:
    with RawClient((*ARGV, AT_ONCE), cwd=tmp_path) as client:
        client.open()
        yield client


def asked(codex: RawClient) -> tuple[int, list[Message]]:
    """The first prompt's request id, and all up to the permission request."""
    prompt = codex.begin_prompt(QUESTION)
    return prompt, codex.until_method("session/request_permission")


def last_line(messages: list[Message]) -> str:
    return text_of(messages).splitlines()[-1]


def mode_of(options: list[Any]) -> str:
    return str(next(option["currentValue"] for option in options if option["id"] == "mode"))


def test_it_thinks_and_reads_before_it_asks_to_run_the_tests(codex: RawClient, tmp_path: Path) -> None:
    _, messages = asked(codex)
    assert text_of(messages, "agent_thought_chunk").startswith("A timeout is not a failure")
    read, run = updates(messages, "tool_call")
    assert (read["kind"], read["locations"]) == ("read", [{"path": f"{tmp_path}/payments/client.py"}])
    assert (run["kind"], run["rawInput"]["command"]) == ("execute", "pytest -q tests/test_client.py")
    request = messages[-1]["params"]
    assert request["toolCall"] == {
        "toolCallId": run["toolCallId"],
        "title": "pytest -q tests/test_client.py",
        "rawInput": {"command": "pytest -q tests/test_client.py", "cwd": str(tmp_path)},
    }
    options = [(option["optionId"], option["kind"]) for option in request["options"]]
    assert options == [
        ("allow_once", "allow_once"),
        ("accept_execpolicy_amendment", "allow_always"),
        ("cancel", "reject_once"),
    ]


def test_after_an_allow_it_runs_the_command_and_answers_with_an_open_verdict(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    rest = codex.until_response(prompt)
    assert updates(rest, "tool_call_update")[0]["status"] == "completed"
    assert "I ran the tests" in text_of(rest)
    assert last_line(rest).startswith("VERDICT: OPEN — ")
    assert rest[-1]["result"]["stopReason"] == "end_turn"


def test_text_comes_word_by_word_each_with_the_id_of_its_message(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    messages += codex.until_response(prompt)
    pieces = updates(messages, "agent_message_chunk")
    assert all(" " not in piece["content"]["text"].rstrip(" ") for piece in pieces)
    commentary, answer = dict.fromkeys(piece["messageId"] for piece in pieces)
    assert commentary != answer


def test_a_denial_ends_the_turn_as_cancelled_and_the_next_prompt_is_answered(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "cancel")
    rest = codex.until_response(prompt)
    assert updates(rest, "tool_call_update")[0]["status"] == "failed"
    assert text_of(rest) == ""
    assert rest[-1]["result"]["stopReason"] == "cancelled"

    answer = codex.until_response(codex.begin_prompt("It was denied: answer without it."))
    assert "I ran nothing" in text_of(answer)
    assert last_line(answer).startswith("VERDICT: OPEN — ")
    assert answer[-1]["result"]["stopReason"] == "end_turn"


@pytest.mark.parametrize("decision", ["allow_once", "cancel"])
def test_the_reply_brings_a_concession_and_consensus(codex: RawClient, decision: str) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], decision)
    codex.until_response(prompt)
    if decision == "cancel":
        codex.until_response(codex.begin_prompt("It was denied."))
    messages = codex.until_response(codex.begin_prompt(COUNTER))
    assert text_of(messages).startswith("I concede")
    assert last_line(messages).startswith("VERDICT: CONSENSUS — ")


def test_every_message_is_valid_acp(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    messages += codex.until_response(prompt)
    for message in messages[:-1]:
        MODELS[message["method"]].model_validate(message["params"])
    schema.PromptResponse.model_validate(messages[-1]["result"])


def test_what_is_settled_stays_settled(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    codex.until_response(prompt)
    codex.until_response(codex.begin_prompt(COUNTER))
    assert "CONSENSUS" in last_line(codex.until_response(codex.begin_prompt("Anything else?")))


def test_it_counts_tokens_and_tells_how_full_its_context_is(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    first = codex.until_response(prompt)
    second = codex.until_response(codex.begin_prompt(COUNTER))
    usage = first[-1]["result"]["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    before, after = updates(first, "usage_update")[0], updates(second, "usage_update")[0]
    assert 0 < before["used"] < after["used"] < after["size"]


def test_codexs_reason_is_told_only_to_a_client_that_opted_in(codex: RawClient, tmp_path: Path) -> None:
    _, messages = asked(codex)
    assert "_meta" not in messages[-1]["params"]
    with RawClient((*ARGV, AT_ONCE), cwd=tmp_path) as other:
        other.open()
        other.call("initialize", protocolVersion=1, clientCapabilities=OPT_IN)
        _, messages = asked(other)
    permission = messages[-1]["params"]["_meta"]["jetbrains"]["air"]["permission"]
    assert permission["description"] == "The tests write a cache; the sandbox is read-only."


def test_cancelling_takes_the_open_request_back_and_the_scene_is_played_anew(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.cancel()
    rest = codex.until_response(prompt)
    assert rest[0] == {
        "jsonrpc": "2.0",
        "method": "$/cancel_request",
        "params": {"requestId": messages[-1]["id"]},
    }
    assert rest[-1]["result"]["stopReason"] == "cancelled"
    _, again = asked(codex)
    assert again[-1]["id"] != messages[-1]["id"]


def test_cancelling_in_mid_stream_ends_the_turn_at_once(tmp_path: Path) -> None:
    with RawClient((*ARGV, NEVER_ENDING), cwd=tmp_path) as codex:
        codex.open()
        prompt = codex.begin_prompt(QUESTION)
        codex.cancel()
        assert codex.until_response(prompt)[-1]["result"]["stopReason"] == "cancelled"


def test_the_mode_is_set_and_reported(tmp_path: Path) -> None:
    with RawClient((*ARGV, AT_ONCE), cwd=tmp_path, env={"INITIAL_AGENT_MODE": "no-such-mode"}) as codex:
        opened = codex.open()
        assert mode_of(opened["result"]["configOptions"]) == "agent"
        messages = codex.until_response(
            codex.request("session/set_mode", sessionId=codex.session, modeId="read-only")
        )
        assert mode_of(updates(messages, "config_option_update")[0]["configOptions"]) == "read-only"
        assert messages[-1]["result"] == {}
        refused = codex.call("session/set_mode", sessionId=codex.session, modeId="no-such-mode")
        assert refused["error"]["code"] == -32602


def test_the_initial_mode_can_come_from_the_environment(tmp_path: Path) -> None:
    with RawClient((*ARGV, AT_ONCE), cwd=tmp_path, env={"INITIAL_AGENT_MODE": "read-only"}) as codex:
        assert mode_of(codex.open()["result"]["configOptions"]) == "read-only"


def test_a_new_session_knows_nothing_of_the_old_one(codex: RawClient) -> None:
    prompt, messages = asked(codex)
    codex.answer(messages[-1], "allow_once")
    codex.until_response(prompt)
    old = codex.session
    assert codex.call("session/close", sessionId=old)["result"] == {}
    codex.open()
    assert codex.session != old
    _, messages = asked(codex)
    assert messages[-1]["params"]["sessionId"] == codex.session


def test_a_closed_session_is_not_found(codex: RawClient) -> None:
    codex.call("session/close", sessionId=codex.session)
    assert codex.until_response(codex.begin_prompt("x"))[-1]["error"]["code"] == -32002


def test_a_method_that_it_does_not_know_is_refused(codex: RawClient) -> None:
    assert codex.call("session/teleport")["error"]["code"] == -32601


def test_it_ends_with_its_client_even_while_it_waits_for_a_decision(codex: RawClient) -> None:
    asked(codex)
    codex.hang_up()
    assert codex.ended() == 0
    assert codex.stderr() == b""
