from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import excerpt

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(list('\n\n\n `"\\😀')), max_size=400)


def test_a_character_beyond_the_first_plane_counts_twice_as_in_javascript() -> None:
    assert [excerpt.size(text) for text in ("", "aé中", "😀", "\ud800")] == [0, 3, 2, 1]
    assert excerpt.size_in_json('"\n😀') == 8


@pytest.mark.parametrize(
    ("text", "limit", "begins"),
    [
        ("a b", 3, "a b"),
        ("one two\n\nthree four\nfive", 20, "one two\n\nthree four"),
        ("one two three\n\nfour five", 20, "one two three"),
        ("one two three four", 16, "one two three"),
        ("one twothreefourfive", 16, "one twothreefour"),  # a word's end, but too early
        ("😀😀😀", 5, "😀😀"),
        ("abc", 0, ""),
        ("abc", -1, ""),
    ],
)
def test_a_beginning_ends_with_a_paragraph_or_a_line_or_a_word(text: str, limit: int, begins: str) -> None:
    assert excerpt.beginning(text, limit) == begins


@given(TEXTS, st.integers(0, 300))
def test_a_beginning_fits_is_a_prefix_and_makes_use_of_the_room(text: str, limit: int) -> None:
    head = excerpt.beginning(text, limit)
    assert text.startswith(head)
    assert excerpt.size(head) <= limit
    assert head == text or excerpt.size(head) >= limit // 4


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("no code", ""),
        ("```py\nx = 1", "```"),
        ("```py\nx = 1\n```\n", ""),
        ("````\n```\n", "````"),
        ("````\n`````", ""),
        ("~~~\n```", "~~~"),
        ("```\n``` not the end", "```"),
        ("- ```\n  x", "```"),
        ("```inline``` code", ""),
    ],
)
def test_a_code_block_that_a_text_ends_in_is_seen(text: str, fence: str) -> None:
    assert excerpt.open_fence(text) == fence


@given(TEXTS, st.integers(12, 60))
def test_pages_are_all_of_the_text_and_none_is_too_long(text: str, limit: int) -> None:
    pages = excerpt.pages(text, limit)
    assert "".join(pages) == text
    assert all(excerpt.size(json.dumps(page, ensure_ascii=False)) <= limit for page in pages)


def test_a_page_ends_with_a_line_if_it_can() -> None:
    assert excerpt.pages("one\ntwo\nthree\nfour\n", 17) == ["one\ntwo\n", "three\nfour\n"]
    assert excerpt.pages("", 10) == [""]
    assert excerpt.pages("x" * 25, 12) == ["x" * 10, "x" * 10, "x" * 5]


@given(TEXTS, st.text(st.sampled_from("abc\n"), max_size=50), st.integers(12, 60))
def test_what_is_added_later_moves_no_page_but_the_last(text: str, added: str, limit: int) -> None:
    pages = excerpt.pages(text, limit)
    assert excerpt.pages(text + added, limit)[: len(pages) - 1] == pages[:-1]
