from __future__ import annotations

from dataclasses import replace

import pytest

from codex_fusion import debates, excerpt, long_answers, render
from codex_fusion.account import Account
from codex_fusion.conversation import Brief
from codex_fusion.events import Text
from codex_fusion.long_answers import NOTICE_LIMIT, POINTER, RESULT_LIMIT, Rest
from codex_fusion.outcome import Outcome, Problem, Status
from codex_fusion.transcript import TEXT_LIMIT
from codex_fusion.turn import Ending
from codex_fusion.verdict import Verdict, VerdictState

REST = Rest("fusion://debates/7", 13, 18)
PARAGRAPH = "word " * 199 + "end.\n\n"
LONG = PARAGRAPH * 700
ANSWERED = Outcome(Status.ANSWERED, "consult", 1, text=LONG, round=1)
FAILED = replace(ANSWERED, status=Status.FAILED, problem=Problem("The limit was reached.", "Call again."))


def cut(outcome: Outcome, rest: Rest | None = REST) -> Outcome:
    assert long_answers.is_long(outcome)
    outcome = long_answers.with_short_notices(outcome)
    return long_answers.shortened(outcome, long_answers.shown(outcome), rest)


def size(outcome: Outcome) -> int:
    return sum(map(excerpt.size, render.texts(outcome)))


def test_a_result_is_long_when_all_its_blocks_together_are() -> None:
    room = RESULT_LIMIT - size(replace(ANSWERED, text=""))
    assert not long_answers.is_long(replace(ANSWERED, text="x" * room))
    assert long_answers.is_long(replace(ANSWERED, text="x" * (room + 1)))
    assert long_answers.is_long(replace(ANSWERED, text="x" * room, notices=("n",)))
    assert long_answers.is_long(replace(ANSWERED, text="😀" * (room // 2 + 1)))


@pytest.mark.parametrize("text", [LONG, "x" * 700_000, "😀" * 300_000, "line\n" * 140_000])
@pytest.mark.parametrize("outcome", [ANSWERED, FAILED, replace(ANSWERED, notices=("n" * 100_000,) * 3)])
def test_what_is_cut_fits_and_uses_most_of_the_room(outcome: Outcome, text: str) -> None:
    assert (
        RESULT_LIMIT - 2 * POINTER - len(PARAGRAPH) < size(cut(replace(outcome, text=text))) <= RESULT_LIMIT
    )


def test_an_answer_is_cut_at_a_paragraph_and_says_how_much_is_where() -> None:
    verdict = Verdict(VerdictState.OPEN, "the key")
    (text,) = render.texts(cut(replace(ANSWERED, verdict=verdict)))
    head, pointer, line, footer = text.rsplit("\n\n", 3)
    assert LONG.startswith(head + "\n\n")
    assert head.endswith("end.")
    left = f"✂️ Cut here: {len(LONG) - len(head):,} of {len(LONG):,} characters are left out."
    assert pointer == (
        f"{left} They begin in the resource `fusion://debates/7/13` of this server, and go on to "
        "`fusion://debates/7/18`; all of it in one is `fusion://debates/7`."
    )
    assert line == "VERDICT: OPEN — the key"
    assert footer.startswith("— Codex · ")


def test_a_verdict_without_words_is_a_line_and_one_of_many_words_is_cut() -> None:
    bare = cut(replace(ANSWERED, verdict=Verdict(VerdictState.CONSENSUS, "")))
    assert bare.text.endswith("\n\nVERDICT: CONSENSUS")
    wordy = cut(replace(ANSWERED, verdict=Verdict(VerdictState.OPEN, "w" * 10_000)))
    assert wordy.text.endswith("\n\nVERDICT: OPEN — " + "w" * (POINTER // 2))


def test_what_is_more_than_is_taken_of_a_turn_is_told() -> None:
    account = Account(Brief(1, "consult", "q", 60.0))
    account.transcript.add(Text("x" * (TEXT_LIMIT + 1_234)))
    account.end(Ending.TIMEOUT, None)
    outcome = account.outcome(1.0, ())
    assert len(outcome.text) == TEXT_LIMIT == debates.TEXT_KEPT
    (told,) = outcome.notices
    assert told == "Codex wrote 1,234 characters more than are taken of one turn: they are lost."


def test_what_nothing_holds_is_said_to_be_lost() -> None:
    assert "characters are left out. They are not kept." in cut(ANSWERED, None).text


def test_a_code_block_that_is_cut_is_closed() -> None:
    text = cut(replace(ANSWERED, text="````py\n" + "x = 1\n" * 150_000 + "````\n\nThe end.")).text
    assert "x = 1\n````\n\n✂️ Cut here" in text


def test_what_was_written_before_a_failure_is_cut_between_its_reason_and_the_footer() -> None:
    (text,) = render.texts(cut(FAILED))
    assert text.startswith("✗ The limit was reached.\n→ Call again.\n\nWhat Codex wrote until then:\n\nword")
    assert "✂️ Cut here" in text
    assert text.splitlines()[-1].startswith("— Codex · ")


def test_long_notices_are_cut_and_short_ones_stay() -> None:
    code = "```\n" + "x\n" * NOTICE_LIMIT
    outcome = long_answers.with_short_notices(replace(ANSWERED, notices=("short", LONG, code)))
    short, words, fenced = outcome.notices
    assert short == "short"
    assert LONG.startswith(words.partition("\n\n✂️")[0])
    assert words.endswith("characters are left out. `fusion://debates` lists where they are.")
    assert "x\n```\n\n✂️ Cut here: " in fenced


def test_an_answer_beside_which_only_a_notice_is_too_long_stays_whole() -> None:
    outcome = cut(replace(ANSWERED, text="The answer.", notices=("n" * RESULT_LIMIT,)))
    assert outcome.text == "The answer."
    assert not long_answers.is_long(outcome)


@pytest.mark.parametrize("status", [Status.PERMISSION, Status.BUSY])
def test_a_request_is_never_cut(status: Status) -> None:
    outcome = replace(ANSWERED, status=status, text="", problem=Problem("Not asked." + LONG))
    assert long_answers.shown(replace(outcome, text=LONG)) == LONG
    assert long_answers.shortened(outcome, "", None) is outcome
