"""The faults of the agent: what it does wrong, and what that means for the turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from tests.soak.points import POINTS
from tests.support.rogue_script import (
    ONLY_STANDING,
    array,
    ask,
    bad_id,
    big_junk,
    big_line,
    child_dies,
    chunks,
    close_stdin,
    close_stdout,
    exit_,
    flood,
    flood_of_requests,
    freeze,
    half_line,
    ignore,
    invalid_utf8,
    kill_self,
    late_update,
    not_json,
    orphan_response,
    raw,
    send,
    spawn_child,
    stderr,
    stop_reading,
    unknown_method,
    unknown_update,
    withdraw,
)

if TYPE_CHECKING:
    from tests.support.rogue_script import Action

MB = 1_000_000
LATE = "Late words of an earlier session."
LAST_WORDS = "rogue: these are my last words"


class Effect(Enum):
    """What a fault means for the turn."""

    ENDS = auto()
    """The agent is of no more use: the call ends with what happened."""
    STALLS = auto()
    """Nothing more comes: somebody, or the limit, ends the turn."""
    PASSES = auto()
    """It is skipped: the turn goes on as if nothing had happened."""
    ASKS = auto()
    """Codex asks for permissions: where there is a turn, it pauses; everywhere else they are turned down."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the agent does wrong. `actions` are done one after the other."""

    name: str
    effect: Effect
    actions: tuple[Action, ...]
    heavy: bool = False
    """It takes seconds: once for each point is enough."""
    wrapped: bool = False
    """The agent runs one process further down, always (else: now and then)."""
    stuck: bool = False
    """It may never be done with what it says."""
    loses: bool = False
    """What the agent says next is lost with it."""
    survived: bool = False
    """A child that is left speaks for it afterwards, if it still can."""


def _ends(name: str, *actions: Action, wrapped: bool = False) -> Fault:
    return Fault(name, Effect.ENDS, (stderr(LAST_WORDS), *actions), wrapped=wrapped)


def _passes(name: str, *actions: Action, heavy: bool = False) -> Fault:
    return Fault(name, Effect.PASSES, actions, heavy=heavy)


_SILENT = (ignore("session/cancel"), ignore("SIGTERM"), ignore("EOF"))
_THOUGHT = {"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "x" * 64_000}}
_GIGABYTE: Action = {"do": "flood", "count": 15_700, "update": _THOUGHT}

_BAD_IDS: tuple[object, ...] = ({}, [], None, 1.5, True, "?")

FAULTS = {
    fault.name: fault
    for fault in (
        _ends("killed", kill_self()),
        _ends("killed-in-wrapper", kill_self(), wrapped=True),
        _ends("exits-0", exit_(0)),
        _ends("exits-3", exit_(3)),
        _ends("hangs-up", close_stdout()),
        _ends("deaf", close_stdin()),
        _ends("stubborn-hangs-up", *_SILENT, close_stdout()),
        _ends("child-holds-pipes", spawn_child("stdin", "stdout", "stderr"), kill_self()),
        _ends("half-a-line-and-exit", half_line(), exit_(1)),
        Fault(
            "speaks-when-dead",
            Effect.ENDS,
            (stderr(LAST_WORDS), spawn_child("stdout", own_session=True), kill_self()),
            survived=True,
        ),
        Fault("silent", Effect.STALLS, ()),
        Fault("stubborn", Effect.STALLS, _SILENT),
        Fault("stubborn-in-wrapper", Effect.STALLS, _SILENT, wrapped=True),
        Fault("stubborn-child", Effect.STALLS, (spawn_child("stdout", own_session=True), *_SILENT)),
        Fault("frozen", Effect.STALLS, (freeze(),), stuck=True),
        Fault("unread", Effect.STALLS, (stop_reading(),)),
        Fault("half-a-line", Effect.STALLS, (half_line(),), loses=True),
        _passes("not-json", not_json()),
        _passes("array", array()),
        _passes("bad-ids", *(bad_id(value) for value in _BAD_IDS)),
        _passes("unknown-request", unknown_method()),
        _passes("unknown-notification", unknown_method(request_id=None)),
        _passes("unknown-update", unknown_update()),
        _passes("orphan-response", orphan_response()),
        _passes("invalid-utf8", invalid_utf8()),
        _passes("empty-lines", raw(b"\n\n\r\n \n")),
        _passes("no-object", raw(b'"text"\n7\nnull\ntrue\n')),
        _passes("deep", raw(b"[" * 100_000 + b"]" * 100_000 + b"\n")),
        _passes("late-update", late_update("rogue-0-0", LATE), late_update("", LATE)),
        _passes("foreign-ask", ask("touch z", session="rogue-0-0", answered=False)),
        _passes("bad-ask", send({"jsonrpc": "2.0", "id": "bad", "method": "session/request_permission"})),
        _passes("child-dies", spawn_child("stdout"), child_dies()),
        _passes("talks-on-stderr", stderr("rogue: a warning", size=300_000)),
        _passes("stderr-100-mb", stderr("x", size=100 * MB, newline=False), heavy=True),
        _passes("line-200-mb", big_line(200 * MB), heavy=True),
        _passes("junk-1-gb", big_junk(1000 * MB), heavy=True),
        _passes("thoughts-1-gb", _GIGABYTE, heavy=True),
        _passes("flood", flood(100_000), heavy=True),
        _passes("flood-of-text", chunks(100_000), heavy=True),
        _passes("flood-of-requests", flood_of_requests(5_000), heavy=True),
        Fault("requests-unread", Effect.STALLS, (stop_reading(), flood_of_requests(100_000)), stuck=True),
        Fault("one-ask", Effect.ASKS, (ask("touch z", answered=False),)),
        Fault("fifty-asks", Effect.ASKS, tuple(ask(f"touch {n}", answered=False) for n in range(50))),
        Fault("same-id-twice", Effect.ASKS, (ask("touch z", ask_id=7, answered=False),) * 2),
        Fault("ask-withdrawn", Effect.ASKS, (ask("touch z", ask_id="w", answered=False), withdraw("w"))),
        Fault("no-options", Effect.ASKS, (ask("touch z", options=(), answered=False),)),
        Fault("only-standing", Effect.ASKS, (ask("touch z", options=ONLY_STANDING, answered=False),)),
    )
}


def makes_sense(fault: Fault, point: str) -> bool:
    """Whether this fault at this point tells anything that another one doesn't."""
    at = POINTS[point]
    # Without a session, and in a turn that ends, a request is turned down like one for another session.
    return fault.effect is not Effect.ASKS or not at.starting or fault.name == "one-ask"
