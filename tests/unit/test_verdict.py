from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_fusion import verdict
from codex_fusion.verdict import Verdict, VerdictState

CONSENSUS, OPEN = VerdictState
X = Verdict(OPEN, "x")


@pytest.mark.parametrize(
    "line",
    [
        "VERDICT: OPEN — x",
        "VERDICT: OPEN \N{EN DASH} x",
        "VERDICT: OPEN - x",
        "VERDICT: OPEN—x",
        "VERDICT: OPEN -- x",
        "VERDICT: OPEN -> x",
        "VERDICT: OPEN: x",
        "VERDICT: OPEN. x",
        "VERDICT — OPEN — x",
        "VERDICT\N{FULLWIDTH COLON}OPEN\N{FULLWIDTH COLON}x",
        "verdict: open — x",
        "Verdict: Open — x",
        "  VERDICT:OPEN — x  ",
        "**VERDICT: OPEN — x**",
        "**VERDICT:** OPEN — x",
        "**VERDICT: OPEN** — x",
        "**VERDICT: OPEN —** x",
        "**VERDICT**: **OPEN** — x",
        "VERDICT: **OPEN — x**",
        "__VERDICT: OPEN — x__",
        "*VERDICT: OPEN — x*",
        "`VERDICT: OPEN — x`",
        "**`VERDICT: OPEN — x`**",
        "`VERDICT: OPEN` — x",
        "```VERDICT: OPEN — x```",
        "> VERDICT: OPEN — x",
        "> > **VERDICT: OPEN — x**",
        "- VERDICT: OPEN — x",
        "* **VERDICT: OPEN — x**",
        "5. VERDICT: OPEN — x",
        "> 5) **VERDICT: OPEN — x**",
        "### VERDICT: OPEN — x",
        "VERDICT: OPEN — x\n\n",
        "VERDICT: OPEN — x\r\n",
    ],
)
def test_a_verdict_is_read_however_it_is_decorated(line: str) -> None:
    assert verdict.read(line) == X
    assert verdict.read(f"The reasons.\n\n{line}") == X


@pytest.mark.parametrize("line", ["VERDICT: CONSENSUS", "**VERDICT: CONSENSUS**", "VERDICT: CONSENSUS."])
def test_a_verdict_may_come_without_a_point(line: str) -> None:
    assert verdict.read(line) == Verdict(CONSENSUS, "")


@pytest.mark.parametrize(
    ("line", "point"),
    [
        ("VERDICT: OPEN — keep `foo`", "keep `foo`"),
        ("`VERDICT: OPEN — keep foo`", "keep foo"),
        ("**VERDICT: OPEN** — keep **all** of it", "keep **all** of it"),
        ("**VERDICT: OPEN — why is it **", "why is it"),
        ("VERDICT: OPEN — _private stays", "_private stays"),
        ("VERDICT: OPEN — a — b: c - d", "a — b: c - d"),
        ("VERDICT: OPEN — -1 is returned", "-1 is returned"),
        ("VERDICT: OPEN (the retry budget)", "(the retry budget)"),
        ("VERDICT: OPEN — …", "…"),
    ],
)
def test_the_point_is_in_codexs_words(line: str, point: str) -> None:
    assert verdict.read(line) == Verdict(OPEN, point)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "No verdict here.",
        "VERDICT:",
        "VERDICT: SOUND — ship it",
        "VERDICT: CONSENSUS/OPEN — one of them",
        "VERDICT: OPENED — x",
        "Verdict: open questions remain about the schema",
        "Verdict: open-ended, I think",
        "Verdict: consensus is unlikely here",
        "VERDICT OPEN x",
        "My VERDICT: OPEN — x",
        "End with `VERDICT: OPEN — …`, he said.",
        "VERDICT:\nOPEN — x",
    ],
)
def test_what_only_mentions_a_verdict_is_none(answer: str) -> None:
    assert verdict.read(answer) is None


def test_the_last_of_several_verdicts_is_read() -> None:
    answer = (
        "Verdict: open, as you say.\nVERDICT: CONSENSUS — y\n> VERDICT: OPEN — quoted\n\nVERDICT: OPEN — x"
    )
    assert verdict.read(answer) == X


def test_a_verdict_is_read_when_more_follows_it() -> None:
    assert verdict.read("VERDICT: OPEN — x\n\nTell me what you think.") == X


QUOTED = "\n```text\nVERDICT: CONSENSUS — quoted\n```\n"


@pytest.mark.parametrize(
    "answer",
    [
        f"VERDICT: OPEN — x\n{QUOTED}That is the form.",
        f"{QUOTED}\nVERDICT: OPEN — x",
        f"{QUOTED}\nVERDICT: OPEN — x\nThat was it.",
        f"- a list{QUOTED.replace(chr(10), chr(10) + '  ')}\n\nVERDICT: OPEN — x",
        f"````\n```\nVERDICT: CONSENSUS — quoted\n```\n{QUOTED}````\nVERDICT: OPEN — x\nThat was it.",
        "VERDICT: OPEN — x\n~~~\nVERDICT: CONSENSUS — quoted\n```\n~~~\nThat was it.",
        "VERDICT: OPEN — x\n- ```\n  VERDICT: CONSENSUS — quoted\n  ```\nThat was it.",
        "VERDICT: OPEN — x\n```\nVERDICT: CONSENSUS — quoted\n``` not the end\nThat is not outside.",
        "``` a ``` is no fence\nVERDICT: OPEN — x\nThat was it.",
    ],
)
def test_a_verdict_in_a_code_block_is_a_quotation(answer: str) -> None:
    assert verdict.read(answer) == X


def test_an_answer_with_nothing_but_a_quotation_has_no_verdict() -> None:
    assert verdict.read(f"The form is:{QUOTED}That is all.") is None


@pytest.mark.parametrize(
    "answer",
    [
        "The reasons.\n```\nVERDICT: OPEN — x\n```",
        "The reasons.\n```\nVERDICT: OPEN — x\n```\n\n",
        "The reasons.\n```python\nprint()\n\nVERDICT: OPEN — x",
        "VERDICT: CONSENSUS — y\n\n~~~\nVERDICT: OPEN — x\n~~~",
    ],
)
def test_a_code_block_that_ends_the_answer_may_hold_the_verdict(answer: str) -> None:
    assert verdict.read(answer) == X


PIECES = st.sampled_from(
    [
        *"*_`~>#+-•—:.,; \t\n\r7(",
        "VERDICT",
        "verdict",
        "OPEN",
        "CONSEN\N{LATIN SMALL LETTER LONG S}US",
        "\u2028",
        "```",
        "1) ",
        "x",
    ]
)
ANSWERS = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=60).map("".join)


@given(ANSWERS)
@example("VERDICT: CONSEN\N{LATIN SMALL LETTER LONG S}US")
def test_every_text_is_read_and_the_point_is_a_part_of_it(answer: str) -> None:
    found = verdict.read(answer)
    if found is not None:
        assert found.point in answer
        assert found.point == found.point.strip()


@given(ANSWERS, st.sampled_from(VerdictState), st.from_regex(r"[a-z]+( [a-z]+){0,5}", fullmatch=True))
def test_a_verdict_that_ends_the_answer_is_read_whatever_stands_before_it(
    before: str, state: VerdictState, point: str
) -> None:
    assert verdict.read(f"{before}\nVERDICT: {state.name} — {point}\n") == Verdict(state, point)


SIZE = 1_000_000


@pytest.mark.parametrize(
    "answer",
    [
        *(
            piece * SIZE
            for piece in (" ", "> ", "*", "`", "~", "-", "*_", "1) ", "\n", "```\n", "VERDICT", "1")
        ),
        " " * SIZE + "x",
        "VERDICT:" + " *" * SIZE + "x",
        "VERDICT: OPEN" + " *" * SIZE + "x",
        "**VERDICT: OPEN — " + "*" * SIZE + "x" + "*" * SIZE,
        "*`_~VERDICT: OPEN — " + "*_" * SIZE,
        "VERDICT: OPEN —" + "-" * SIZE,
        "VERDICT: OPEN — x\n" * (SIZE // 10),
    ],
    ids=lambda answer: repr(answer[:24]),
)
def test_a_text_made_to_be_slow_is_read_once(answer: str) -> None:
    """A pattern that looks back would need 10¹² steps here, and never end."""
    verdict.read(answer)
