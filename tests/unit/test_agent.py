"""The ACP client on an agent that does wrong on command: what it hears, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codex_fusion.errors import AgentGoneError, AgentStartError
from codex_fusion.events import Asking, FileChange, ModeChanged, PromptResult, Text, ToolKind
from tests.support.agents import started, talking
from tests.support.rogue import Rogue
from tests.support.rogue_script import (
    array,
    ask,
    ask_edit,
    chunks,
    close_stdout,
    error,
    exit_,
    gate,
    hang,
    invalid_utf8,
    kill_self,
    late_update,
    mode,
    not_json,
    orphan_response,
    reply,
    result,
    send,
    stderr,
    text,
    tool,
    tool_update,
    unknown_method,
    unknown_update,
    update,
    wait_for_answers,
    withdraw,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.rogue_script import Action

pytestmark = pytest.mark.anyio


@pytest.fixture
def rogue(tmp_path: Path) -> Iterator[Rogue]:
    with Rogue(tmp_path) as rogue:
        yield rogue


# --- the handshake, and sessions


async def test_the_handshake_tells_who_it_is_and_what_it_offers(rogue: Rogue) -> None:
    async with started(rogue) as agent:
        assert (agent.report.name, agent.report.version) == ("rogue-agent", "2.6.0")
        assert "close" in agent.report.capabilities
        assert agent.usable
        assert agent.returncode is None
        assert agent.pid in rogue.living()


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ((stderr("no licence"), exit_(3)), "ended with exit code 3 while it was asked for initialize"),
        ((kill_self(),), "was killed by signal 9 while it was asked for initialize"),
        ((close_stdout(), hang()), "closed its connection while it was asked for initialize"),
    ],
)
async def test_an_agent_that_ends_at_the_handshake_says_how(
    rogue: Rogue, actions: tuple[Action, ...], message: str
) -> None:
    rogue.on("initialize", *actions)
    with pytest.raises(AgentGoneError, match=message) as caught:
        async with started(rogue):
            pass
    assert caught.value.remedy
    assert ("no licence" in caught.value.stderr) == (actions[0]["do"] == "stderr")


async def test_a_refused_handshake_says_what_the_agent_said(rogue: Rogue) -> None:
    rogue.on("initialize", error(-32603, "out of order"))
    with pytest.raises(AgentStartError, match="refused initialize: out of order"):
        async with started(rogue):
            pass


async def test_a_session_has_an_id_and_a_mode(rogue: Rogue) -> None:
    async with talking(rogue) as talk:
        assert talk.session == "rogue-1-1"
        assert talk.agent.mode(talk.session) == "agent"
        await talk.agent.set_mode(talk.session, "read-only")
        assert talk.agent.mode(talk.session) == "read-only", "as the agent reports it"
        second = await talk.agent.open_session("/")
        assert second.session_id == "rogue-1-2"
        talk.agent.close_session(talk.session)
        await rogue.happens("session/close")
        assert talk.agent.mode(talk.session) is None


async def test_a_session_that_is_not_offered_to_be_closed_is_not_closed(rogue: Rogue) -> None:
    rogue.on("initialize", result(protocolVersion=1))
    async with talking(rogue) as talk:
        talk.agent.close_session(talk.session)
        await talk.prompt().end()
    assert rogue.log("session/close") == []


async def test_a_session_without_an_id_is_refused(rogue: Rogue) -> None:
    rogue.on("session/new", result())
    with pytest.raises(AgentStartError, match="without an id"):
        async with talking(rogue):
            pass


@pytest.mark.parametrize("event", ["initialize", "session/new"])
async def test_an_agent_that_is_not_logged_in_says_what_to_do(rogue: Rogue, event: str) -> None:
    rogue.on(event, error(-32000, "auth"))
    with pytest.raises(AgentStartError, match="not logged in") as caught:
        async with talking(rogue):
            pass
    assert "codex login" in caught.value.remedy


# --- a prompt


async def test_everything_arrives_in_its_order_and_the_result_last(rogue: Rogue) -> None:
    rogue.prompt(chunks(20_000))
    async with talking(rogue) as talk:
        heard = talk.prompt("how many?")
        end = await heard.end()
    assert heard.text == "".join(f"chunk-{n} " for n in range(20_000))
    assert isinstance(end, PromptResult)
    assert (end.stop_reason, end.usage is not None) == ("end_turn", True)
    assert rogue.prompts() == ["how many?"]


async def test_a_request_comes_after_what_was_said_before_it_and_before_what_was_said_after(
    rogue: Rogue,
) -> None:
    rogue.prompt(chunks(100), ask("touch x", answered=False), text("after"), wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        await heard.changes.until(lambda: heard.text.endswith("after"))
        talk.allow(asking)
        await heard.end()
    texts = [item for item in heard.items if isinstance(item, Asking | Text)]
    assert texts.index(asking) == 100


async def test_what_can_not_be_read_is_skipped_and_counted(rogue: Rogue) -> None:
    junk = (not_json(), array(), invalid_utf8(), orphan_response(), unknown_update())
    rogue.prompt(*junk, unknown_method(request_id=None), text("still here"))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.end()
        assert heard.text == "still here"
        assert talk.agent.skipped == 3


async def test_a_request_for_something_unknown_is_refused_and_the_prompt_goes_on(rogue: Rogue) -> None:
    rogue.prompt(unknown_method(), text("well then"))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.end()
        record = await rogue.happens("answer", id="unknown-1")
    assert record["message"]["error"]["code"] == -32601
    assert heard.text == "well then"


async def test_what_belongs_to_another_session_or_comes_after_the_end_reaches_nobody(rogue: Rogue) -> None:
    rogue.prompt(late_update("nobody's"), text("mine"), reply(), text("late"), unknown_method())
    async with talking(rogue) as talk:
        first = talk.prompt()
        await first.end()
        await rogue.happens("answer", id="unknown-1")
        second = talk.prompt()
        await second.end()
    assert first.text == "mine"
    assert second.text == "ok"


async def test_a_mode_that_changes_is_heard_and_kept(rogue: Rogue) -> None:
    rogue.prompt(mode("agent-full-access", tell=True))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.end()
        assert ModeChanged("agent-full-access") in heard.items
        assert talk.agent.mode(talk.session) == "agent-full-access"


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (-32000, "auth", "Codex is not logged in"),
        (-32603, "model is on fire", "The agent refused session/prompt: model is on fire"),
        (7, "", "The agent refused session/prompt: "),
    ],
)
async def test_an_error_as_the_answer_says_what_it_was(
    rogue: Rogue, code: int, message: str, told: str
) -> None:
    rogue.prompt(stderr("a hint"), error(code, message))
    async with talking(rogue) as talk:
        problem = await talk.prompt().error()
        assert isinstance(problem, AgentStartError)
        assert str(problem).startswith(told)
        assert isinstance(await talk.prompt().end(), PromptResult), "the agent can be asked again"


async def test_the_data_of_an_error_are_shown_without_their_secrets_and_cut(rogue: Rogue) -> None:
    data = {"details": f"{'x' * 470} sk-{'a1b2c3d4' * 6}", "more": "y" * 10_000}
    refusal = {"jsonrpc": "2.0", "id": 2, "error": {"code": -32603, "message": "no", "data": data}}
    rogue.prompt(send(refusal), hang())
    async with talking(rogue) as talk:
        problem = str(await talk.prompt().error())
    assert "xxx" in problem
    assert "a1b2" not in problem
    assert len(problem) < 1_000


# --- permission requests


async def test_a_request_knows_what_was_announced_of_its_call(rogue: Rogue) -> None:
    rogue.prompt(ask_edit("/w/a.txt", "old", "new"))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        talk.allow(asking)
        await heard.end()
    tool = asking.request.tool
    assert (tool.kind, tool.changes) == (ToolKind.EDIT, (FileChange("/w/a.txt", "old", "new"),))


async def test_a_request_knows_everything_that_was_said_of_its_call_on_the_way(rogue: Rogue) -> None:
    begun = tool("call of touch x", "Touch", kind="execute", locations=[{"path": "/w/a"}])
    more = tool_update("call of touch x", status="in_progress", locations=[{"path": "/w/b"}])
    rogue.prompt(begun, more, ask("touch x", announced=False))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        talk.allow(asking)
        await heard.end()
    assert asking.request.tool.kind is ToolKind.EXECUTE
    assert asking.request.tool.paths == ("/w/a", "/w/b")


async def test_each_answer_goes_to_the_request_that_it_is_for(rogue: Rogue) -> None:
    many = [ask(f"touch {n}", answered=False, end_on_reject=False) for n in range(50)]
    rogue.prompt(*many, wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        askings = await heard.requests(50)
        for asking in reversed(askings):
            number = int((asking.request.tool.command or "").removeprefix("touch "))
            talk.agent.answer(asking.key, "allow_once" if number % 2 else None)
        await heard.end()
    assert sorted(rogue.answers()) == [(n, "allow_once" if n % 2 else "cancelled") for n in range(50)]


async def test_an_answer_is_given_once(rogue: Rogue) -> None:
    rogue.prompt(ask("touch x"))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        talk.allow(asking)
        talk.agent.answer(asking.key, None)
        talk.agent.answer(99, "allow_once")
        await heard.end()
        talk.agent.answer(asking.key, None)
        await talk.prompt().end()
    assert rogue.answers() == [(0, "allow_once")]


async def test_two_requests_with_one_id_are_two(rogue: Rogue) -> None:
    twice = [ask(f"touch {n}", ask_id="same", answered=False, end_on_reject=False) for n in range(2)]
    rogue.prompt(*twice, wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        one, two = await heard.requests(2)
        assert one.key != two.key
        talk.allow(one)
        talk.agent.answer(two.key, None)
        await heard.end()
    assert sorted(rogue.answers()) == [("same", "allow_once"), ("same", "cancelled")]


async def test_a_request_that_is_withdrawn_is_told_and_still_owed_an_answer(rogue: Rogue) -> None:
    rogue.prompt(
        *(ask(f"touch {n}", ask_id=n + 10, answered=False) for n in range(2)),
        withdraw(10, 99),
        wait_for_answers(11),
    )
    async with talking(rogue) as talk:
        heard = talk.prompt()
        one, two = await heard.requests(2)
        await heard.changes.until(lambda: bool(heard.taken_back))
        assert heard.taken_back == [one.key]
        talk.agent.answer(one.key, None)
        talk.allow(two)
        await heard.end()
        await rogue.happens("answer", count=2)
    assert sorted(rogue.answers()) == [(10, "cancelled"), (11, "allow_once")]


async def test_withdrawing_an_id_that_two_requests_have_withdraws_both(rogue: Rogue) -> None:
    twice = [ask(f"touch {n}", ask_id="same", answered=False, end_on_reject=False) for n in range(2)]
    rogue.prompt(*twice, gate("asked"), withdraw("same"), wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        one, two = await heard.requests(2)
        rogue.open("asked")
        await heard.changes.until(lambda: len(heard.taken_back) == 2)
        assert set(heard.taken_back) == {one.key, two.key}
        for asking in (one, two):
            talk.agent.answer(asking.key, None)
        await heard.end()


@pytest.mark.parametrize("withdrawn", [[], {}, None, 1.5, False, 0.0])
async def test_withdrawing_what_is_no_id_withdraws_nothing(rogue: Rogue, withdrawn: object) -> None:
    withdrawal = {"jsonrpc": "2.0", "method": "$/cancel_request", "params": {"requestId": withdrawn}}
    rogue.prompt(ask("touch x", answered=False), send(withdrawal), text("and on"), wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        await heard.changes.until(lambda: bool(heard.text))
        assert heard.taken_back == []
        talk.allow(asking)
        await heard.end()


@pytest.mark.parametrize("session", ["nobody's", ""])
async def test_a_request_for_another_session_is_cancelled_at_once(rogue: Rogue, session: str) -> None:
    rogue.prompt(ask("touch x", session=session, end_on_reject=False))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.end()
    assert heard.asked == []
    assert rogue.answers() == [(0, "cancelled")]


async def test_a_request_after_the_end_is_cancelled_at_once(rogue: Rogue) -> None:
    rogue.prompt(reply(), ask("touch x", answered=False))
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.end()
        await rogue.happens("answer")
    assert heard.asked == []
    assert rogue.answers() == [(0, "cancelled")]


# --- what an agent can make us keep


async def test_the_mode_of_a_session_that_nobody_opened_is_not_kept(rogue: Rogue) -> None:
    modes = [update("current_mode_update", {"currentModeId": "x"}, session=f"s{n}") for n in range(100)]
    rogue.prompt(*modes)
    async with talking(rogue) as talk:
        await talk.prompt().end()
        assert talk.agent.modes == {talk.session: "agent"}


@pytest.mark.parametrize(("command", "most"), [("touch", 1_000), ("x" * 1_900_000, 2)], ids=["many", "large"])
async def test_more_requests_than_can_be_open_are_cancelled_at_once(
    rogue: Rogue, command: str, most: int
) -> None:
    asks = [ask(f"{command} {n}", answered=False, end_on_reject=False) for n in range(most + 2)]
    rogue.prompt(*asks, wait_for_answers(most, most + 1), text("asked"), wait_for_answers())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.changes.until(lambda: heard.text == "asked")
        for asking in heard.asked:
            talk.allow(asking)
        await heard.end()
    assert len(heard.asked) == most
    answers = dict(rogue.answers())
    assert [n for n in range(most + 2) if answers[n] == "cancelled"] == [most, most + 1]
