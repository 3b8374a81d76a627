from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.debates import Debate, Decided
from codex_fusion.page import html
from tests.unit.test_debates import DEBATE, ROUND

FRAME = "html head meta title style body header section div h1 h2 h3 span i p table tr td th code"
FOLDED = "details summary ol li"
MARKDOWN = "a blockquote br em h1 h2 h3 h4 h5 h6 hr li ol p pre code strong table tbody td th thead tr ul"
TAGS = {*FRAME.split(), *FOLDED.split(), *MARKDOWN.split()}
ATTRIBUTES = {
    "align",
    "charset",
    "class",
    "content",
    "href",
    "http-equiv",
    "lang",
    "name",
    "start",
    "style",
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
    return Debate(text, text, text, text, (played, replace(played, verdict=text or "open")))


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


def test_the_page_shows_each_round_with_what_was_said_done_and_decided() -> None:
    full = replace(
        ROUND,
        activity=("runs `ls`", "runs `cat`"),
        decided=(Decided("r1", "run `touch x`", "denied by Claude"),),
        verdict="open",
        point="the key",
    )
    lost = replace(ROUND, status="failed", answer="", problem="The quota is used up.")
    text = Seen(html(replace(DEBATE, rounds=(full, lost)), "today")).text
    for words in (
        "today",
        "/w",
        "2 rounds",
        "2,400 tokens",
        "5.0 s of work",
        "OPEN",
        "the key",
        "Is it safe?",
    ):
        assert words in text
    for words in (
        "What Codex did: 2 steps",
        "run `touch x`",
        "denied by Claude",
        "failed",
        "quota is used up",
    ):
        assert words in text


@pytest.mark.parametrize(("tokens", "width"), [((50, 100), ("50%", "100%")), ((0, 0), ("0%", "0%"))])
def test_the_bars_are_drawn_beside_the_largest(tokens: tuple[int, int], width: tuple[str, str]) -> None:
    rounds = tuple(replace(ROUND, tokens=number, seconds=float(number)) for number in tokens)
    styles = [v for n, v in Seen(html(replace(DEBATE, rounds=rounds), "")).attributes if n == "style"]
    assert styles == [f"width:{w}" for w in width for _ in range(2)]


def test_a_debate_without_rounds_is_a_page_too() -> None:
    assert "0 rounds" in Seen(html(replace(DEBATE, rounds=()), "today")).text
