"""When a line of progress goes out, and what it shows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.progress import ACTIVITY_SHOWN, HEARTBEAT_S, MIN_INTERVAL_S, Progress

BEGAN = 100.0


def test_a_silent_beginning_has_nothing_to_tell_before_the_first_heartbeat() -> None:
    progress = Progress(BEGAN)
    assert not progress.waiting
    assert progress.take(BEGAN + 1) is None
    assert progress.due <= BEGAN + HEARTBEAT_S


def test_the_first_line_goes_out_at_once() -> None:
    progress = Progress(BEGAN)
    progress.show("Hello", BEGAN)
    assert progress.waiting
    assert progress.due <= BEGAN
    assert progress.take(BEGAN) == "Hello"
    assert not progress.waiting


def test_messages_do_not_follow_each_other_too_fast() -> None:
    progress = Progress(BEGAN)
    progress.show("Hel", BEGAN)
    progress.take(BEGAN)
    progress.show("Hello", BEGAN + 0.01)
    assert progress.take(BEGAN + 0.02) is None
    assert progress.due == BEGAN + MIN_INTERVAL_S
    assert progress.take(BEGAN + MIN_INTERVAL_S) == "Hello"


def test_of_running_text_the_last_state_is_shown() -> None:
    progress = Progress(BEGAN)
    for line in ("H", "Hel", "💭 Hello?"):
        progress.show(line, BEGAN)
    assert progress.take(BEGAN) == "💭 Hello?"


def test_activity_comes_before_the_text_that_followed_it_and_replaces_the_text_before() -> None:
    progress = Progress(BEGAN)
    for line in ("I look.", "↳ runs `ls`", "↳ runs `cat a`", "Fou", "Found"):
        progress.show(line, BEGAN)
    assert progress.take(BEGAN) == "↳ runs `ls`\n↳ runs `cat a`\nFound"


def test_what_was_sent_is_not_sent_again() -> None:
    progress = Progress(BEGAN)
    progress.show("↳ runs `ls`", BEGAN)
    progress.take(BEGAN)
    progress.show("Found", BEGAN + 1)
    assert progress.take(BEGAN + 1) == "Found"


def test_of_a_burst_of_activity_the_last_lines_are_shown_and_the_others_counted() -> None:
    progress = Progress(BEGAN)
    for number in range(ACTIVITY_SHOWN + 3):
        progress.show(f"↳ {number}", BEGAN)
    assert progress.take(BEGAN) == "↳ (3 more)\n↳ 3\n↳ 4\n↳ 5\n↳ 6"
    progress.show("↳ next", BEGAN + 1)
    assert progress.take(BEGAN + 1) == "↳ next"


def test_a_heartbeat_tells_how_long_and_what_was_last_seen() -> None:
    progress = Progress(BEGAN)
    progress.show("↳ runs `make`", BEGAN + 2)
    progress.doing = "runs `make`"
    progress.take(BEGAN + 2)
    assert progress.due == BEGAN + 2 + HEARTBEAT_S
    assert progress.take(progress.due) == "⏳ 10 s · 8 s silent · last: runs `make`"
    assert progress.due == BEGAN + 2 + 2 * HEARTBEAT_S


def test_at_the_end_the_last_state_goes_out_without_a_wait() -> None:
    progress = Progress(BEGAN)
    progress.show("Hel", BEGAN)
    progress.take(BEGAN)
    progress.show("Hello", BEGAN)
    assert progress.take(BEGAN, final=True) == "Hello"


def test_at_the_end_nothing_is_said_twice_and_no_heartbeat_comes() -> None:
    progress = Progress(BEGAN)
    progress.show("Hello", BEGAN)
    progress.take(BEGAN)
    assert progress.take(BEGAN + 60, final=True) is None


waits = st.sampled_from((0.0, 0.05, 0.1, 0.3, 5.0))


@given(st.lists(st.tuples(waits, st.sampled_from(("↳ a", "↳ b", "text", "💭 thought")))))
def test_a_client_gets_the_last_state_at_a_rate_that_can_be_read(lines: list[tuple[float, str]]) -> None:
    progress = Progress(BEGAN)
    now = BEGAN
    sent: list[tuple[float, str]] = []

    def take(at: float, *, final: bool = False) -> None:
        message = progress.take(at, final=final)
        if message is not None:
            sent.append((at, message))

    for wait, line in lines:
        now += wait
        while progress.due < now:
            take(progress.due)
        progress.show(line, now)
        take(now)
    times = [BEGAN, *(at for at, _ in sent)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= MIN_INTERVAL_S or gap == pytest.approx(MIN_INTERVAL_S) for gap in gaps[1:])
    assert all(gap <= HEARTBEAT_S or gap == pytest.approx(HEARTBEAT_S) for gap in gaps)
    take(now, final=True)
    told = [message for _, message in sent if not message.startswith("⏳")]
    assert not lines or told[-1].splitlines()[-1] == lines[-1][1]
