"""However the server ends, nothing of the agent's is left, and nothing but the protocol was on stdout."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.soak.residue import watchdogs
from tests.support.raw_mcp import RawMcp
from tests.support.rogue_script import ask, chunks, gate, hang, ignore, spawn_child, text
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.played import Played

INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL
STUBBORN = (ignore("SIGTERM"), ignore("EOF"), spawn_child("stdout", "stderr"))


@pytest.fixture
def client(played: Played) -> Iterator[RawMcp]:
    with RawMcp(played.workspace, played.environment) as client:
        client.greet()
        yield client


@pytest.mark.parametrize("signals", [(INT,), (INT, TERM), (TERM, TERM)], ids=str)
def test_signals_in_mid_turn_end_the_agent_and_then_the_server(
    played: Played, client: RawMcp, signals: tuple[signal.Signals, ...]
) -> None:
    played.rogue.prompt(*STUBBORN, text("so far"), hang())
    client.begin_tool("consult", question="q")
    played.rogue.wait_for("doing", do="hang")
    for number in signals:
        client.process.send_signal(number)
    assert -client.ended() in signals  # which of two comes first is the system's affair
    played.rogue.wait_until_gone()
    left_nothing_else(played, client)


def test_a_signal_while_the_agent_starts(played: Played, client: RawMcp) -> None:
    played.rogue.on("initialize", *STUBBORN, hang())
    client.begin_tool("consult", question="q")
    played.rogue.wait_for("doing", do="hang")
    client.process.send_signal(HUP)
    assert client.ended() == -HUP
    played.rogue.wait_until_gone()
    left_nothing_else(played, client)


def test_a_signal_while_codex_waits_for_a_permit(played: Played, client: RawMcp) -> None:
    played.rogue.prompt(ask("touch x"))
    client.until_response(client.begin_tool("consult", question="q"))
    client.process.send_signal(TERM)
    assert client.ended() == -TERM
    played.rogue.wait_until_gone()
    left_nothing_else(played, client)


def test_a_signal_to_a_server_that_did_nothing_yet(client: RawMcp) -> None:
    client.process.send_signal(INT)
    assert client.ended() == -INT
    assert client.stderr() == b""


def test_a_server_that_is_killed_takes_the_agent_with_it(played: Played, client: RawMcp) -> None:
    played.rogue.prompt(*STUBBORN, text("so far"), hang())
    client.begin_tool("consult", question="q")
    played.rogue.wait_for("doing", do="hang")
    [agent] = {record["pid"] for record in played.rogue.log("start")}
    guards = [os.pidfd_open(pid) for pid in watchdogs([agent])]
    client.process.send_signal(KILL)
    played.rogue.wait_until_gone()
    assert guards
    for guard in guards:
        select.select((guard,), (), (), LIMIT_S)
        os.close(guard)
    assert list(played.temp.iterdir()) == []


def test_a_client_that_hangs_up_in_mid_turn_leaves_nothing(played: Played, client: RawMcp) -> None:
    played.rogue.prompt(*STUBBORN, text("so far"), hang())
    client.begin_tool("consult", question="q")
    played.rogue.wait_for("doing", do="hang")
    client.hang_up()
    assert client.ended() == 0
    played.rogue.wait_until_gone()
    left_nothing_else(played, client)


def test_a_client_that_reads_no_more_ends_the_server_though_stdin_stays_open(
    played: Played, unread: subprocess.Popen[bytes]
) -> None:
    played.rogue.prompt(*STUBBORN, gate("more"), chunks(100), hang())
    call_unread(unread)
    played.rogue.wait_for("doing", do="gate")
    assert unread.stdout is not None
    unread.stdout.close()
    played.rogue.open("more")
    assert unread.wait(LIMIT_S) == 0
    played.rogue.wait_until_gone()
    assert unread.stderr is not None
    said = unread.stderr.read().decode()
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    assert list(played.temp.iterdir()) == []


def test_a_client_that_hangs_up_and_reads_nothing_of_a_full_pipe_leaves_nothing(
    played: Played, unread: subprocess.Popen[bytes]
) -> None:
    played.rogue.prompt(text("x" * 1_000_000)).prompt(*STUBBORN, hang())
    call_unread(unread)
    assert unread.stderr is not None
    assert any(b"status=answered" in line for line in unread.stderr)
    assert unread.stdin is not None
    call = {"name": "consult", "arguments": {"question": "another"}}
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call}
    unread.stdin.write(json.dumps(message).encode() + b"\n")
    unread.stdin.flush()
    played.rogue.wait_for("doing", do="hang")
    unread.stdin.close()
    assert unread.wait(LIMIT_S) == 0
    played.rogue.wait_until_gone()
    assert b"Traceback" not in unread.stderr.read()


def test_what_the_client_leaves_on_stderr_stops_nobody(played: Played) -> None:
    theirs, ours = os.pipe()
    os.write(ours, b"x" * fcntl.fcntl(ours, fcntl.F_GETPIPE_SZ))
    with started(played, stderr=ours) as process:
        os.close(ours)
        call_unread(process)
        assert process.stdout is not None
        assert any(b"Codex" in line and b'"id":2' in line for line in process.stdout)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0
    os.close(theirs)


def test_a_signal_is_obeyed_though_the_client_leaves_its_pipe_full(
    played: Played, unread: subprocess.Popen[bytes]
) -> None:
    played.rogue.prompt(text("x" * 1_000_000))
    call_unread(unread)
    assert unread.stderr is not None
    assert any(b"status=answered" in line for line in unread.stderr)
    unread.send_signal(INT)
    assert unread.wait(LIMIT_S) == -INT
    played.rogue.wait_until_gone()


@pytest.fixture
def unread(played: Played) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose output nobody reads."""
    with started(played, stderr=subprocess.PIPE) as process:
        yield process


@contextmanager
def started(played: Played, *, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, for a while: who waits for what it does not write waits no longer."""
    pipe = subprocess.PIPE
    command = (sys.executable, "-m", "codex_fusion.cli")
    environment = {**os.environ, **played.environment}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=stderr, cwd=played.workspace, env=environment
    ) as process:
        end = threading.Timer(2 * LIMIT_S, process.kill)
        end.start()
        yield process
        end.cancel()
        process.kill()


def call_unread(process: subprocess.Popen[bytes]) -> None:
    client = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"},
    }
    consult = {"name": "consult", "arguments": {"question": "q"}, "_meta": {"progressToken": 1}}
    assert process.stdin is not None
    for message in (
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": consult},
    ):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    process.stdin.flush()


def left_nothing_else(played: Played, client: RawMcp) -> None:
    """Only messages on stdout, no traceback on stderr, no file in the temp folder."""
    client.rest()
    stderr = client.stderr().decode()
    assert "Traceback" not in stderr
    assert "Error" not in stderr
    assert list(played.temp.iterdir()) == []
