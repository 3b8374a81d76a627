"""A short run of the fuzzer of what an agent may send (docs/reliability.md tells of the long one)."""

from __future__ import annotations

from tests.soak.fuzz_wire import BATCH, LIFE, fuzz

KINDS = {
    *("skipped", "too long", "the prompt's answer", "an answer to nobody", "a withdrawal"),
    *("an unknown request", "an unknown notification", "a request of nobody's: cancelled"),
    *("an update that says nothing", "an update of another session", "an update after the end"),
    *("event Asking", "event ToolUpdate", "event Text", "event Thought", "event ContextUse"),
    *("event Notice", "event ModeChanged"),
}


def test_whatever_an_agent_sends_becomes_an_event_or_is_counted_and_no_request_is_lost() -> None:
    out = fuzz(inputs=LIFE, seed=1)
    assert out.failed == []
    assert out.inputs == LIFE
    assert set(out.kinds) == KINDS, "every kind of line came up"
    assert out.allowed > BATCH, "the guardian would have let some through"


def test_the_same_seed_is_the_same_run() -> None:
    one, two = fuzz(inputs=2 * BATCH, seed=3), fuzz(inputs=2 * BATCH, seed=3)
    assert (one.failed, one.size, one.kinds, one.allowed) == ([], two.size, two.kinds, two.allowed)
