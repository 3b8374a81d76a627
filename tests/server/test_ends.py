"""Turns that are cancelled or run out of time: bounded, told, and the next call works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.server.test_protocol import MODES
from tests.support.played import Background
from tests.support.rogue_script import ask, gate, hang, ignore, sleep_until_cancel, text
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from mcp.client.client import ConnectMode

    from tests.support.bench import Bench
    from tests.support.played import Played

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", MODES)
async def test_a_cancel_by_the_client_reaches_the_agent_and_the_session_goes_on(
    played: Played, mode: ConnectMode
) -> None:
    played.rogue.prompt(text("so far"), sleep_until_cancel()).prompt(text("answer"))
    async with played.serving(mode) as bench, anyio.create_task_group() as tasks:
        call = await Background(tasks, bench, "consult", question="q").seen("so far")
        await call.cancel()
        await played.rogue.happens("session/cancel")
        await until_status(bench, "now: idle")
        status = await bench.call("status")
        result = await bench.call("consult", question="another")
    assert "cancelled by the client" in status.text
    assert "so far" in status.text
    assert result.text.startswith("answer\n\n")
    assert result.meta["session"] == {"id": "rogue-1-1", "new": False, "round": 1}
    assert result.meta["turn"] == 2
    assert len(played.rogue.log("session/cancel")) == 1
    assert played.rogue.starts == 1


async def test_an_agent_that_ignores_a_cancel_is_killed_and_the_next_call_starts_it_anew(
    played: Played,
) -> None:
    played.rogue.prompt(text("so far"), ignore("SIGTERM"), ignore("EOF"), hang()).prompt(text("answer"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        call = await Background(tasks, bench, "consult", question="q").seen("so far")
        [pid] = played.rogue.living()
        await call.cancel()
        result = await bench.call("consult", question="another")
        assert pid not in played.rogue.living()
    assert result.text.startswith("answer\n\n")
    assert result.meta["session"]["new"] is True
    assert len(played.rogue.log("session/cancel")) == 1
    assert played.rogue.starts == 2


async def test_a_cancel_while_the_agent_starts_ends_the_start(played: Played) -> None:
    played.rogue.on("initialize", hang())
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        call = Background(tasks, bench, "consult", question="q")
        await played.rogue.happens("initialize")
        [pid] = played.rogue.living()
        await call.cancel()
        result = await bench.call("consult", question="another")
        assert pid not in played.rogue.living()
    assert result.status == "answered"
    assert played.rogue.starts == 2


async def test_a_permit_that_is_cancelled_ends_the_turn_that_it_resumed(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("resumed"), sleep_until_cancel())
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        await bench.call("consult", question="q")
        permit = await Background(tasks, bench, "permit", decision="allow").seen("resumed")
        await permit.cancel()
        await played.rogue.happens("session/cancel")
        after = await bench.call("consult", question="another")
    assert after.status == "answered"
    assert after.meta["session"]["new"] is False


async def test_the_limit_of_one_call_ends_its_turn_and_keeps_what_was_written(played: Played) -> None:
    played.rogue.prompt(text("warm")).prompt(text("so far"), sleep_until_cancel()).prompt(text("answer"))
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        result = await bench.call("consult", question="q", timeout_s=1)
        after = await bench.call("consult", question="q")
    assert result.is_error
    assert result.status == "timeout"
    assert "limit of 1 s" in result.text
    assert "so far" in result.text
    assert "`timeout_s`" in result.text
    assert "CODEX_FUSION_TURN_TIMEOUT_MS" in result.text
    assert len(played.rogue.log("session/cancel")) == 1
    assert after.text.startswith("answer\n\n")
    assert after.meta["session"]["new"] is False


async def test_the_configured_limit_holds_from_the_start_and_one_call_can_set_another(played: Played) -> None:
    async with played.serving(CODEX_FUSION_TURN_TIMEOUT_MS="1") as bench:
        result = await bench.call("consult", question="q")
        longer = await bench.call("consult", question="q", timeout_s=LIMIT_S)
    assert result.status == "timeout"
    assert "limit of 0.001 s" in result.text
    assert longer.status == "answered"


async def test_the_wait_for_a_permit_is_not_counted(played: Played) -> None:
    played.rogue.prompt(text("warm")).prompt(ask("touch x"), text("done"))
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        paused = await bench.call("consult", question="q", timeout_s=1)
        await until_status(bench, "waits for `permit` for 2 s")
        result = await bench.call("permit", decision="allow")
    assert paused.status == "permission"
    assert result.status == "answered"


async def test_a_client_that_cancels_at_the_end_of_a_turn_wedges_nothing(played: Played) -> None:
    played.rogue.prompt(text("so far"), gate("end"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        call = await Background(tasks, bench, "consult", question="q").seen("so far")
        played.rogue.open("end")
        await call.cancel()
        result = await bench.call("consult", question="another")
    assert result.status == "answered"


async def until_status(bench: Bench, words: str) -> None:
    """Ask for the status until it holds the words."""
    with anyio.fail_after(LIMIT_S):
        while words not in (await bench.call("status")).text:
            pass
