"""`status`, as a person or Claude reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from codex_fusion.config import Allowances, Config, Confinement, WhoPermits
from codex_fusion.conversation import Brief, Conversation
from codex_fusion.events import ContextUse, PermissionRequest, ToolCall
from codex_fusion.outcome import OpenRequest, Outcome, Problem, Status
from codex_fusion.session import Snapshot
from codex_fusion.status import PARTIAL_SHOWN, describe
from codex_fusion.transcript import Transcript

if TYPE_CHECKING:
    from codex_fusion.conversation import AgentPort
    from codex_fusion.driver import RunningTurn

CONFIG = Config(workspace=Path("/ws"))
NOTHING_YET = Snapshot(
    conversation=None,
    agent_alive=False,
    turn=None,
    waiting=0,
    last=None,
    now=1_000.0,
    tokens=0,
    turns=0,
    resets=0,
)


@dataclass
class FakeAgent:
    """As much of an agent as `status` looks at."""

    returncode: int | None = None


@dataclass
class FakeTurn:
    """As much of a turn under way as `status` looks at."""

    brief: Brief = field(default_factory=lambda: Brief(4, "consult", "", 300.0))
    paused: bool = False
    paused_at: float | None = None
    began_at: float = 990.0
    open_requests: dict[str, OpenRequest] = field(default_factory=dict)
    transcript: Transcript = field(default_factory=Transcript)


def talk(returncode: int | None = None) -> Conversation:
    return Conversation(
        agent=cast("AgentPort", FakeAgent(returncode)),
        session_id="s1",
        mode="read-only",
        opened_at=940.0,
        confinement="strict: nothing outside the workspace exists for Codex",
    )


def busy_with(turn: FakeTurn, waiting: int = 0) -> Snapshot:
    return replace(NOTHING_YET, turn=cast("RunningTurn", turn), waiting=waiting)


def told(now: Snapshot, of: str, config: Config = CONFIG, log_problem: str | None = None) -> str:
    """What `status` says under one heading."""
    (line,) = [line for line in describe(config, now, log_problem).splitlines() if line.startswith(f"{of}: ")]
    return line.removeprefix(f"{of}: ")


def test_before_the_first_call_there_is_nothing_and_nothing_is_claimed() -> None:
    assert describe(CONFIG, NOTHING_YET, None) == (
        "workspace: /ws\n"
        "agent: no session (the next call opens one)\n"
        "confinement: strict (put in force, and verified, when a session is opened)\n"
        "allowed ahead of time: nothing: Claude is asked\n"
        "who permits: Claude\n"
        "session: none\n"
        "now: idle\n"
        "since the start: 0 turns, 0 tokens, 0 resets\n"
        "limits: 5 min of active work per turn\n"
        "log: off\n"
        "history: kept (`codex-fusion log`)"
    )


def test_in_the_middle_of_a_debate_everything_is_told() -> None:
    conversation = replace(
        talk(),
        agent_name="codex-acp 2.6.0",
        codex_version="0.170.0",
        model="gpt-6",
        effort="high",
        opened_at=1_000.0 - 3_905,
        notices=("The config's hooks are set aside.",),
        round=2,
        turns=3,
        context=ContextUse(50_000, 200_000),
    )
    turn = FakeTurn()
    turn.transcript.doing = "runs `make`"
    now = Snapshot(
        conversation=conversation,
        agent_alive=True,
        turn=cast("RunningTurn", turn),
        waiting=1,
        last=Outcome(Status.ANSWERED, "consult", 3, text="Yes."),
        now=1_000.0,
        tokens=12_345,
        turns=4,
        resets=1,
    )
    config = Config(workspace=Path("/ws"), log=Path("/var/log/x.jsonl"), turn_timeout_s=90.5)
    assert describe(config, now, None) == (
        "workspace: /ws\n"
        "agent: running (codex-acp 2.6.0, Codex 0.170.0, model gpt-6, high effort)\n"
        "confinement: strict: nothing outside the workspace exists for Codex\n"
        "allowed ahead of time: nothing: Claude is asked\n"
        "who permits: Claude\n"
        "session: s1, 1 h 5 min old, 3 turns, debate in round 2, context 25% full\n"
        "now: turn 4 (consult) is running for 10 s; last: runs `make`; 1 call waiting\n"
        "since the start: 4 turns, 12,345 tokens, 1 reset\n"
        "limits: 1 min 30 s of active work per turn\n"
        "log: /var/log/x.jsonl\n"
        "history: kept (`codex-fusion log`)\n"
        "\N{INFORMATION SOURCE}\ufe0f The config's hooks are set aside."
    )


def test_an_agent_is_called_alive_only_if_it_is() -> None:
    assert told(replace(NOTHING_YET, conversation=talk(), agent_alive=True), "agent") == "running"
    assert (
        told(replace(NOTHING_YET, conversation=talk()), "agent")
        == "not running; the next call starts it anew"
    )
    assert told(replace(NOTHING_YET, conversation=talk(-9)), "agent") == (
        "not running (exit code -9); the next call starts it anew"
    )


def test_without_a_confinement_status_says_that_nothing_is_confined() -> None:
    config = replace(CONFIG, confinement=Confinement.AGENT)
    assert told(NOTHING_YET, "confinement", config).startswith("agent (codex-fusion confines nothing")


@pytest.mark.parametrize("confinement", [Confinement.STRICT, Confinement.READ_ONLY])
def test_a_confinement_is_only_said_to_be_in_force_where_there_is_a_session(confinement: Confinement) -> None:
    config = replace(CONFIG, confinement=confinement)
    assert told(NOTHING_YET, "confinement", config) == (
        f"{confinement.value} (put in force, and verified, when a session is opened)"
    )


def test_what_is_allowed_ahead_of_time_is_named() -> None:
    def allowed(allow: Allowances) -> str:
        return told(NOTHING_YET, "allowed ahead of time", replace(CONFIG, allow=allow))

    assert allowed(Allowances(external_reads=True)) == "reading outside and the network"
    assert allowed(Allowances(writes=True)) == "writing in the workspace"
    assert allowed(Allowances(commands=True)) == "commands outside the sandbox"
    assert allowed(Allowances(writes=True, commands=True)) == (
        "writing in the workspace, commands outside the sandbox"
    )


def test_a_fresh_session_is_told_without_what_is_not_known() -> None:
    now = replace(NOTHING_YET, conversation=replace(talk(), turns=1, context=ContextUse(0, 0)))
    assert told(now, "session") == "s1, 1 min old, 1 turn"


def test_a_limit_below_a_minute_is_told_to_the_fraction() -> None:
    assert told(NOTHING_YET, "limits", replace(CONFIG, turn_timeout_s=0.5)) == "0.5 s of active work per turn"


def test_a_pause_names_every_open_request_and_since_when() -> None:
    request = PermissionRequest("s1", ToolCall("t1"), ())
    turn = FakeTurn(
        paused=True,
        paused_at=970.0,
        open_requests={
            "r1": OpenRequest("r1", request, "run `ls`", ""),
            "r2": OpenRequest("r2", request, "edit a.py", ""),
        },
    )
    assert told(busy_with(turn), "now") == (
        "turn 4 (consult) waits for `permit` for 30 s: r1: run `ls`; r2: edit a.py"
    )


def test_a_turn_whose_agent_is_gone_waits_for_nobody() -> None:
    turn = FakeTurn(paused=True, paused_at=970.0)
    now = replace(busy_with(turn, waiting=1), conversation=talk(1), agent_alive=False)
    assert told(now, "now") == "turn 4 (consult) is ending: the agent went away; 1 call waiting"


def test_calls_that_wait_are_counted() -> None:
    assert told(busy_with(FakeTurn(), waiting=2), "now").endswith("; last: starting; 2 calls waiting")
    assert told(replace(NOTHING_YET, waiting=1), "now") == "idle; 1 call waiting"


def test_a_log_that_is_not_written_is_no_secret() -> None:
    config = replace(CONFIG, log=Path("/full/x.jsonl"))
    assert told(NOTHING_YET, "log", config, "No space left") == "/full/x.jsonl (NOT WRITTEN: No space left)"


def test_the_last_failure_is_told_with_what_codex_wrote_in_it() -> None:
    last = Outcome(
        Status.TIMEOUT, "explore", 2, text="So far I", problem=Problem("Too slow.", "Ask for less.")
    )
    assert describe(CONFIG, replace(NOTHING_YET, last=last), None).endswith(
        "log: off\n"
        "history: kept (`codex-fusion log`)\n"
        "last turn: 2 (explore) timeout: Too slow.\n"
        "→ Ask for less.\n"
        "what Codex wrote in it:\n"
        "So far I"
    )


def test_of_a_long_text_the_end_is_told() -> None:
    last = Outcome(Status.FAILED, "explore", 2, text="a" * PARTIAL_SHOWN + "the end", problem=Problem("No."))
    text = describe(CONFIG, replace(NOTHING_YET, last=last), None)
    assert text.endswith("aaathe end")
    assert text.split("what Codex wrote in it:\n…")[1] == ("a" * PARTIAL_SHOWN + "the end")[-PARTIAL_SHOWN:]


@pytest.mark.parametrize(
    "last",
    [
        None,
        Outcome(Status.ANSWERED, "consult", 1, text="Yes."),
        Outcome(Status.CANCELLED, "consult", 1, problem=Problem("Cancelled.")),
    ],
)
def test_only_a_failure_with_text_repeats_a_text(last: Outcome | None) -> None:
    text = describe(CONFIG, replace(NOTHING_YET, last=last), None)
    assert "what Codex wrote" not in text
    assert ("last turn" in text) == (last is not None and last.problem is not None)


def test_a_debate_that_is_not_kept_is_told() -> None:
    assert "history: NOT KEPT: the disk is full" in describe(CONFIG, NOTHING_YET, None, "the disk is full")
    assert "history: off" in describe(replace(CONFIG, history=False), NOTHING_YET, None)


def test_it_says_who_permits() -> None:
    assert "who permits: Claude\n" in describe(CONFIG, NOTHING_YET, None)
    human = describe(replace(CONFIG, permit=WhoPermits.HUMAN), NOTHING_YET, None)
    assert "who permits: a person, at each `permit`\n" in human
    assert "allowed ahead of time: nothing: a person is asked\n" in human
