"""The rogue agent waits, is cancelled and ends as its script says, and nothing of it outlives the test."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.raw_client import RawClient, text_of
from tests.support.rogue import Rogue
from tests.support.rogue_script import (
    ask,
    child_dies,
    close_stdin,
    close_stdout,
    error,
    exit_,
    freeze,
    gate,
    hang,
    ignore,
    kill_self,
    reply,
    sleep_until_cancel,
    spawn_child,
    stop_reading,
    text,
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
