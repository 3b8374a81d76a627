from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.debates import (
    ACTIVITY_KEPT,
    BEGINNING_KEPT,
    DEBATE_KEPT,
    TEXT_KEPT,
    TITLE,
    Debate,
    Decided,
    Round,
    from_json,
    to_json,
    to_markdown,
)

ROUND = Round(1, "consult", "answered", "Is it safe?", "No.", began=100.0, seconds=2.5, tokens=1200)
DEBATE = Debate("20260101-000000-abcdef", "/w", "codex-acp 2.6.0", "strict", (ROUND,))

numbers = st.floats(allow_nan=False, allow_infinity=False)
rounds = st.builds(
    Round,
    turn=st.integers(),
    tool=st.text(),
    status=st.text(),
    asked=st.text(),
    answer=st.text(),
    began=numbers,
    seconds=numbers,
    tokens=st.integers(),
    verdict=st.text(),
    point=st.text(),
    problem=st.text(),
    activity=st.lists(st.text(), max_size=3).map(tuple),
    decided=st.lists(st.builds(Decided, st.text(), st.text(), st.text()), max_size=2).map(tuple),
)
debates = st.builds(
    Debate, st.text(), st.text(), st.text(), st.text(), st.lists(rounds, max_size=3).map(tuple)
)


@given(debates)
def test_what_was_stored_comes_back_the_same(debate: Debate) -> None:
    assert from_json(to_json(debate)) == debate


def test_who_asked_is_kept_and_told_and_was_claude_where_nothing_says_so() -> None:
    mine = replace(DEBATE, asker="You")
    assert from_json(to_json(mine)) == mine
    assert "### You asked" in to_markdown(mine, "now")
    stored = to_json(mine)
    del stored["asker"]
    assert from_json(stored) == DEBATE
    assert "### Claude asked" in to_markdown(DEBATE, "now")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"format": 2},
        {"format": 1},
        {**to_json(DEBATE), "rounds": None},
        {**to_json(DEBATE), "rounds": [{"turn": 1}]},
        {**to_json(DEBATE), "rounds": [{**to_json(DEBATE)["rounds"][0], "tokens": "many"}]},
    ],
)
def test_anything_else_is_no_debate(value: object) -> None:
    assert from_json(value) is None


def test_a_debate_begins_with_its_first_round_and_is_called_by_the_first_line_that_says_something() -> None:
    debate = replace(DEBATE, rounds=(replace(ROUND, asked="\n  \n  Why?\nmore"), replace(ROUND, began=200.0)))
    assert debate.began == 100.0
    assert debate.title == "Why?"


def test_a_debate_without_rounds_or_words_has_no_title() -> None:
    assert (replace(DEBATE, rounds=()).title, replace(DEBATE, rounds=()).began) == ("", 0.0)
    assert replace(DEBATE, rounds=(replace(ROUND, asked=" \n"),)).title == ""


def test_a_long_title_is_cut() -> None:
    title = replace(DEBATE, rounds=(replace(ROUND, asked="x" * (TITLE + 1)),)).title
    assert len(title) == TITLE
    assert title.endswith("x…")


def test_an_added_round_is_cut_to_what_is_kept_and_says_so() -> None:
    lines = tuple(f"line {n}" for n in range(ACTIVITY_KEPT + 2))
    added = replace(ROUND, asked="q" * TEXT_KEPT, answer="a" * (TEXT_KEPT + 1), activity=lines)
    kept = DEBATE.with_round(added).rounds
    assert kept[0] == ROUND
    assert kept[1].asked == added.asked
    assert kept[1].answer == "a" * TEXT_KEPT + "\n\n(… 1 more characters are not kept)"
    assert kept[1].activity == ("(2 earlier lines are not kept)", *lines[2:])


def test_a_debate_that_grows_too_long_keeps_of_its_first_rounds_only_how_they_began() -> None:
    long = replace(ROUND, asked="q" * TEXT_KEPT, answer="a" * TEXT_KEPT, activity=("runs `ls`",))
    decided = (Decided("r1", "run `ls`", "allowed"),)
    kept = DEBATE.with_round(replace(long, decided=decided)).with_round(long).with_round(ROUND)
    first, second, third, fourth = kept.rounds
    assert (first, third, fourth) == (ROUND, long, ROUND)
    assert second.asked.startswith("q" * BEGINNING_KEPT + "\n\n(… 3,998,000 more")
    assert second.answer.startswith("a" * BEGINNING_KEPT + "\n\n(… 3,998,000 more")
    assert (second.activity, second.decided) == ((), decided)
    assert kept.size <= DEBATE_KEPT


def test_how_a_debate_ended_is_its_last_verdict_or_its_last_status() -> None:
    ends = [replace(ROUND, verdict="open"), replace(ROUND, status="failed")]
    assert [replace(DEBATE, rounds=(ROUND, end)).ended for end in ends] == ["open", "failed"]
    assert replace(DEBATE, rounds=()).ended == "empty"


def test_the_markdown_of_a_bare_round_has_only_what_there_is() -> None:
    bare = to_markdown(
        replace(DEBATE, agent="", confinement="", rounds=(replace(ROUND, answer=""),)), "today"
    )
    assert bare == (
        "# Is it safe?\n\ntoday · /w · an agent\n\n"
        "## Round 1: consult (answered, 2.5 s, 1,200 tokens)\n\n### Claude asked\n\nIs it safe?\n"
    )


def test_the_markdown_of_a_full_round_has_everything() -> None:
    full = replace(
        ROUND,
        activity=("runs `ls`",),
        decided=(Decided("r1", "run `touch x`", "denied by Claude"),),
        problem="The limit was reached.",
        verdict="open",
        point="the key",
    )
    told = to_markdown(replace(DEBATE, rounds=(full,)), "today")
    assert "How Codex was held: strict" in told
    assert "### What Codex did\n\n- runs `ls`" in told
    assert "### Permissions\n\n- r1: run `touch x` — denied by Claude" in told
    assert "### Problem\n\nThe limit was reached." in told
    assert "### Codex answered\n\nNo." in told
    assert told.endswith("**Verdict: OPEN** — the key\n")


def test_a_debate_without_rounds_is_a_title() -> None:
    assert to_markdown(replace(DEBATE, rounds=()), "today").startswith("# A debate\n\ntoday")
