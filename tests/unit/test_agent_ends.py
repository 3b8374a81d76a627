"""How the ACP client ends, and an agent that goes away: said once, in bounded time, and nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from codex_fusion.errors import AgentGoneError
from codex_fusion.events import Broken, PromptResult
from tests.support.agents import Heard, talking
from tests.support.rogue import Rogue
from tests.support.rogue_script import (
    ask,
    close_stdin,
    close_stdout,
    exit_,
    hang,
    ignore,
    kill_self,
    sleep_until_cancel,
    spawn_child,
    stderr,
    stop_reading,
    text,
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


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (exit_(0), "ended with exit code 0"),
        (exit_(3), "ended with exit code 3"),
        (kill_self(), "was killed by signal 9"),
        (close_stdout(), "closed its connection"),
        (close_stdin(), "closed its connection"),
    ],
)
async def test_an_agent_that_goes_away_says_how_and_with_its_last_words(
    rogue: Rogue, end: Action, how: str
) -> None:
    rogue.prompt(text("so far"), stderr("the last words"), end, hang())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        problem = await heard.error()
        assert isinstance(problem, AgentGoneError)
        assert str(problem) == f"The agent {how} while it was asked for session/prompt."
        assert not talk.agent.usable
        await talk.agent.kill()
        assert "the last words" in talk.agent.stderr
    assert heard.text == "so far"
    assert len(heard.ends) == 1


async def test_of_much_on_stderr_the_tail_is_kept(rogue: Rogue) -> None:
    rogue.prompt(stderr("noise " * 20, size=10_000_000, newline=False), stderr("the last words"), exit_(1))
    async with talking(rogue) as talk:
        problem = await talk.prompt().error()
        await talk.agent.kill()
        assert talk.agent.stderr.endswith("the last words\n")
    assert len(problem.stderr) < 10_000


async def test_an_answer_to_an_agent_that_hears_no_more_is_no_fault_of_ours(rogue: Rogue) -> None:
    rogue.prompt(*(ask(f"touch {n}", answered=False) for n in range(3)), close_stdin(), hang())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        askings = await heard.requests(3)
        await heard.end()
        for asking in askings:
            talk.allow(asking)
            await anyio.wait_all_tasks_blocked()


async def test_a_cancel_reaches_the_agent(rogue: Rogue) -> None:
    rogue.prompt(text("a"), sleep_until_cancel())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.changes.until(lambda: bool(heard.text))
        talk.agent.cancel(talk.session)
        end = await heard.end()
    assert isinstance(end, PromptResult)
    assert end.stop_reason == "cancelled"


async def test_a_kill_ends_the_prompt_and_every_request_once_whoever_calls_it_how_often(rogue: Rogue) -> None:
    rogue.prompt(
        ignore("SIGTERM"), ignore("EOF"), spawn_child("stdout"), ask("touch x", answered=False), hang()
    )
    async with talking(rogue) as talk:
        heard = talk.prompt()
        (asking,) = await heard.requests(1)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(talk.agent.kill)
        await talk.agent.kill()
        assert not talk.agent.usable
        assert talk.agent.returncode == -9
        talk.allow(asking)
        (end,) = heard.ends
        assert isinstance(end, Broken)
    assert rogue.answers() == []


async def test_a_kill_that_is_cancelled_is_carried_out(rogue: Rogue) -> None:
    async with talking(rogue) as talk:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await talk.agent.kill()
        assert talk.agent.returncode is not None


async def test_an_agent_that_reads_no_more_can_be_killed(rogue: Rogue) -> None:
    rogue.prompt(stop_reading(), text("deaf"), hang())
    async with talking(rogue) as talk:
        heard = talk.prompt()
        await heard.changes.until(lambda: bool(heard.text))
        stuck = Heard()
        talk.agent.prompt(talk.session, "x" * 10_000_000, stuck)
        talk.agent.cancel(talk.session)
        await anyio.wait_all_tasks_blocked()
        await talk.agent.kill()
        assert isinstance(stuck.ends[0], Broken)


async def test_a_prompt_to_an_agent_that_was_killed_is_told_so(rogue: Rogue) -> None:
    async with talking(rogue) as talk:
        await talk.agent.kill()
        heard = talk.prompt()
        assert isinstance(await heard.error(), AgentGoneError)
        talk.agent.cancel(talk.session)
        talk.agent.close_session(talk.session)


async def test_a_prompt_in_the_moment_of_a_kill_ends_once(rogue: Rogue) -> None:
    async with talking(rogue) as talk:
        await talk.agent.kill()
        heard = talk.prompt()
        await talk.agent.kill()
        await anyio.wait_all_tasks_blocked()
        (end,) = heard.ends
        assert isinstance(end, Broken)


async def test_a_session_that_is_never_let_go_of_leaves_nothing_behind(rogue: Rogue) -> None:
    rogue.on("session/close", hang())
    async with talking(rogue) as talk:
        talk.agent.close_session(talk.session)
        await rogue.happens("session/close")
