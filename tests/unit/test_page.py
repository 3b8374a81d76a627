from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.debates import Debate, Decided, Round
from codex_fusion.page import STEPS, TITLE, html
from tests.unit.test_debates import DEBATE, ROUND

FRAME = (
    "html head meta title style body header main nav section footer div h1 h2 h3 span b i p dl dt dd pre code"
)
LISTED = "table tr td th ul ol li details summary"
MARKDOWN = "a blockquote br em h4 hr li ol p pre code strong table tbody td th thead tr ul"
TAGS = {*FRAME.split(), *LISTED.split(), *MARKDOWN.split()}
ATTRIBUTES = {
    "aria-label",
    "aria-labelledby",
    "charset",
    "class",
    "content",
    "href",
    "http-equiv",
    "id",
    "lang",
    "name",
    "open",
    "scope",
    "start",
    "style",
    "tabindex",
    "title",
}
SCHEMES = ("http:", "https:", "mailto:", "ftp:", "#", "/")

pieces = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"><b>',
        "'",
        "</style>",
        "</title>",
        "<!--",
        "]]>",
        "![i](http://e/x.png)",
        "[l](javascript:alert(1))",
        "[l](data:text/html,x)",
        '[l](http://e "t\\" onclick=x")',
        "<http://e>",
        "<javascript:alert(1)>",
        "&lt;script&gt;",
        "`",
        "```html\n",
        "```diff\n-<b>\n+<b>\n",
        "\nVERDICT: OPEN — <b>",
        "|a|b|\n|-|:-:|\n|<i>|2|\n",
        "\n\n",
        "    ",
        "# ",
        "> ",
        "1. ",
        "\x00",
        "\u202e",
    ]
)
markup = st.lists(pieces | st.text(max_size=8), max_size=12).map("".join)


class Seen(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def poisoned(text: str) -> Debate:
    played = replace(
        ROUND,
        tool=text,
        status=text,
        asked=text,
        answer=text,
        verdict="",
        point=text,
        problem=text,
        activity=(text,),
        decided=(Decided(text, text, text),),
    )
    return Debate(text, text, text, text, (played, replace(played, verdict=text or "open")), asker=text)


@given(markup)
def test_whatever_the_models_wrote_the_page_has_only_tags_of_ours_and_of_markdown(text: str) -> None:
    seen = Seen(html(poisoned(text), text))
    assert set(seen.tags) <= TAGS
    assert {name for name, _ in seen.attributes} <= ATTRIBUTES
    assert seen.tags.count("style") == 1
    assert seen.tags.count("section") == 2
    links = [value or "" for name, value in seen.attributes if name == "href"]
    assert not [link for link in links if ":" in link and not link.lower().startswith(SCHEMES)]


def test_the_page_forbids_itself_everything_but_its_own_style_and_fetches_nothing() -> None:
    page = html(DEBATE, "today")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert not {"script", "link", "img", "iframe"} & set(Seen(page).tags)
    assert "url(" not in page
    assert "@import" not in page


def text_of(*rounds: Round, workspace: str = "/w") -> str:
    """What a reader sees, without the style."""
    page = html(replace(DEBATE, rounds=rounds, workspace=workspace), "today")
    return Seen(page.partition("</style>")[2]).text


def test_the_page_shows_each_round_with_what_was_said_done_and_decided() -> None:
    full = replace(
        ROUND,
        activity=("runs `ls`", "runs `cat`"),
        decided=(Decided("r1", "run `touch x`", "denied by permit"),),
        verdict="open",
        point="the key",
    )
    lost = replace(ROUND, status="failed", answer="", problem="The quota is used up.")
    text = text_of(full, lost)
    for words in ("today", "/w", "2 rounds, 5 s of work, 2,400 tokens", "open the key", "Is it safe?"):
        assert words in text
    for words in (
        "What Codex did: 2 steps",
        "run `touch x`",
        "denied by permit",
        "failed The quota is used up.",
    ):
        assert words in text


def test_what_it_came_to_stands_below_the_question_before_all_else() -> None:
    ended = replace(ROUND, asked="## `POST` twice?\n\nMore.", verdict="consensus", point="one `key`")
    page = html(replace(DEBATE, rounds=(ROUND, replace(ended, verdict="open"), ended)), "today")
    assert "<h1>Is it safe?</h1>" in page
    assert page.index("consensus</b> one <code>key</code>") < page.index("<nav")
    assert "<h1><code>POST</code> twice?</h1>" in html(replace(DEBATE, rounds=(ended,)), "")


def test_a_person_who_asked_is_not_called_claude() -> None:
    page = html(replace(DEBATE, rounds=(ROUND,), asker="You"), "today").partition("</style>")[2]
    assert "You and Codex debated" in page
    assert "<h3>You</h3>" in page
    assert "Claude" not in page


def test_a_long_question_is_cut_in_the_heading_only() -> None:
    long = "word " * TITLE
    page = html(replace(DEBATE, rounds=(replace(ROUND, asked=long),)), "")
    heading = page.partition("<h1>")[2].partition("</h1>")[0]
    assert len(heading) == TITLE
    assert heading.endswith("…")
    assert long.strip() in page


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("Yes.\n\nVERDICT: CONSENSUS — do it", "Yes.\nconsensus do it"),
        ("VERDICT: CONSENSUS — do it", "consensus do it"),
        ("VERDICT: CONSENSUS — do it\n\nAs said.", "VERDICT: CONSENSUS — do it\nAs said.\nconsensus do it"),
    ],
)
def test_the_verdict_that_ends_an_answer_is_shown_once(answer: str, shown: str) -> None:
    text = text_of(replace(ROUND, answer=answer, verdict="consensus", point="do it"))
    assert text.partition("Codex")[2].partition("Kept by")[0].endswith(f"Codex{shown}")


def test_a_permission_is_shown_with_the_note_that_came_with_its_decision() -> None:
    asked = tuple(
        Decided(f"r{n}", "run `x`", fate) for n, fate in enumerate(("allowed by permit", "withdrawn"), 1)
    )
    played = replace(
        ROUND, decided=asked, activity=("allowed r1: run `x` — only <this>", "allowed r12: run `x` — no")
    )
    page = html(replace(DEBATE, rounds=(played,)), "")
    assert '<b class="pill good">allowed by permit</b> “only &lt;this&gt;”' in page
    assert '<b class="pill faint">withdrawn</b></p>' in page


def test_the_lines_of_a_diff_are_told_apart_and_stay_text() -> None:
    page = html(replace(DEBATE, rounds=(replace(ROUND, answer="```diff\n@@ 1\n-<a>\n+b\n c\n```"),)), "")
    assert (
        '<pre tabindex="0"><code><span class="place">@@ 1</span>\n<span class="removed">-&lt;a&gt;</span>\n'
        '<span class="added">+b</span>\n c</code></pre>'
    ) in page


@pytest.mark.parametrize(("steps", "opened"), [(STEPS, True), (STEPS + 1, False)])
def test_what_codex_did_is_folded_where_it_is_long(steps: int, opened: bool) -> None:  # noqa: FBT001
    page = html(replace(DEBATE, rounds=(replace(ROUND, activity=("runs `ls`",) * steps),)), "")
    assert ("<details open>" in page) == opened


def test_headings_of_an_answer_stand_below_the_pages_own() -> None:
    page = html(replace(DEBATE, rounds=(replace(ROUND, answer="# One\n\nTwo\n---"),)), "")
    assert "<h4>One</h4>" in page
    assert "<h4>Two</h4>" in page
    assert page.count("<h1") == 1


@pytest.mark.parametrize(("tokens", "width"), [((50, 100), ("50%", "100%")), ((0, 0), ("0%", "0%"))])
def test_the_bars_are_drawn_beside_the_largest(tokens: tuple[int, int], width: tuple[str, str]) -> None:
    rounds = tuple(replace(ROUND, tokens=number, seconds=float(number)) for number in tokens)
    styles = [v for n, v in Seen(html(replace(DEBATE, rounds=rounds), "")).attributes if n == "style"]
    assert styles == [f"width:{w}" for w in width for _ in range(2)]


def test_a_debate_without_rounds_is_a_page_too() -> None:
    assert "0 rounds" in text_of()


def test_the_page_says_who_asked() -> None:
    mine = html(replace(DEBATE, asker="You"), "today")
    assert "You and Codex debated" in mine
    assert "<h3>You</h3>" in mine
    assert "<h3>Claude</h3>" not in mine
