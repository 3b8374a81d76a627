"""An agent that can't be started: what was run, what it last said, what to do. The next call tries again."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.server.test_ends import until_status
from tests.support import rogue_script
from tests.support.rogue_script import array, error, exit_, hang, not_json, stderr
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from tests.support.played import Played

pytestmark = pytest.mark.anyio


async def test_a_command_that_is_not_there(played: Played) -> None:
    async with played.serving(CODEX_FUSION_ACP_COMMAND="no-such-agent --acp") as bench:
        told = await bench.call("consult", question="q")
    assert told.status == "failed"
    assert "CODEX_FUSION_ACP_COMMAND starts with 'no-such-agent', which is no command" in told.text
    assert "remove it to have codex-acp found" in told.text


@pytest.mark.parametrize(("program", "words"), [("cat", "refused initialize"), ("true", "exit code 0")])
async def test_a_program_that_is_no_agent(played: Played, program: str, words: str) -> None:
    async with played.serving(CODEX_FUSION_ACP_COMMAND=program) as bench:
        told = await bench.call("consult", question="q")
    assert told.status == "failed"
    assert words in told.text
    assert f"/{program}" in told.text
    assert "CODEX_FUSION_ACP_COMMAND" in told.text
    assert "codex-fusion doctor" in told.text


async def test_an_agent_that_dies_at_each_start_is_quoted_counted_and_tried_again(played: Played) -> None:
    played.rogue.dies_at_each_start(code=3, says="rogue: no such model")
    async with played.serving() as bench:
        first = await bench.call("consult", question="q")
        second = await bench.call("consult", question="q")
        played.rogue.always("start")
        third = await bench.call("consult", question="q")
    for told in (first, second):
        assert told.status == "failed"
        assert "exit code 3" in told.text
        assert "rogue: no such model" in told.text
        assert played.rogue.command in told.text or shlex.join(played.rogue.argv) in told.text
        assert "→" in told.text
    assert third.status == "answered"
    assert played.rogue.starts == 3


async def test_an_agent_that_never_answers_at_its_start_is_bounded_and_killed(played: Played) -> None:
    played.rogue.on("initialize", not_json(), array(), hang()).on("session/new", hang())
    async with played.serving() as bench:
        for _ in ("initialize", "session/new"):
            told = await bench.call("consult", question="q", timeout_s=1)
            await played.rogue.is_gone()
            assert told.status == "timeout"
            assert "limit of 1 s" in told.text
            assert "last seen: starting" in told.text
        after = await bench.call("consult", question="q")
    assert after.status == "answered"


async def test_an_agent_that_is_not_logged_in(played: Played) -> None:
    for method in ("initialize", "session/new"):
        played.rogue.on(method, error(-32000, "Authentication required"))
    async with played.serving() as bench:
        told = [await bench.call("consult", question="q") for _ in range(2)]
        after = await bench.call("consult", question="q")
    for result in told:
        assert result.status == "failed"
        assert "not logged in" in result.text
        assert "codex login" in result.text
    assert after.status == "answered"


async def test_a_session_that_is_refused_or_has_no_id_tells_why(played: Played) -> None:
    played.rogue.on("session/new", stderr("config.toml: bad key"), error(-32603, "Invalid configuration"))
    played.rogue.on("session/new", rogue_script.result(configOptions=[]))
    async with played.serving() as bench:
        refused = await bench.call("consult", question="q")
        nameless = await bench.call("consult", question="q")
        after = await bench.call("consult", question="q")
    assert "Invalid configuration" in refused.text
    assert "config.toml: bad key" in refused.text
    assert "without an id" in nameless.text
    assert after.status == "answered"


async def test_an_agent_that_exits_between_two_turns_is_started_anew(played: Played) -> None:
    async with played.serving() as bench:
        first = await bench.call("consult", question="q")
        played.rogue.order(exit_(7))
        await until_status(bench, "not running (exit code 7)")
        reply = await bench.call("reply", message="but")
        second = await bench.call("consult", question="q")
    assert first.meta["session"]["new"] is True
    assert reply.is_error
    assert "exit code 7" in reply.text
    assert second.meta["session"]["new"] is True


async def test_secrets_in_what_an_agent_last_said_are_not_passed_on(played: Played) -> None:
    secret = "sk-" + "a1B2" * 12
    command = shlex.join((sys.executable, "-c", f"import sys; sys.exit('key {secret} refused')"))
    async with played.serving(CODEX_FUSION_ACP_COMMAND=command) as bench:
        told = await bench.call("consult", question="q", timeout_s=LIMIT_S)
    assert "exit code 1" in told.text
    assert "refused" in told.text
    assert secret not in told.text
    assert secret not in bench.stderr.read_text()
