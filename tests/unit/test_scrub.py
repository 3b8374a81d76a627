"""What is taken out of a text, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_fusion.scrub import MARK, scrub, scrub_value
from tests.unit.scrub_corpus import BEGINNINGS, FRAGMENTS, HARMLESS, SECRETS

KEY = next(secret for name, _text, secret in SECRETS if name == "an OpenAI key")

# Secrets and what may stand next to them, meeting in every way.
PIECES = st.one_of(
    st.sampled_from([secret for _name, _text, secret in SECRETS]),
    st.sampled_from(FRAGMENTS.split()),
    st.sampled_from([" ", "\n", "\t", "password: ", "token = ", "-----BEGIN PRIVATE KEY-----"]),
    st.text(max_size=4),
)


@pytest.mark.parametrize(("text", "secret"), [pytest.param(t, s, id=name) for name, t, s in SECRETS])
def test_a_secret_is_replaced_and_what_surrounds_it_is_kept(text: str, secret: str) -> None:
    assert secret in text
    assert scrub(text) == text.replace(secret, MARK)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert scrub(text) == text


def test_the_corpus_is_large_enough() -> None:
    assert len({secret for _name, _text, secret in SECRETS}) >= 40
    assert len(HARMLESS) >= 20


def test_every_secret_of_a_text_is_found() -> None:
    everything = "\n".join(text for _name, text, _secret in SECRETS)
    scrubbed = scrub(everything)
    assert [name for name, _text, secret in SECRETS if secret in scrubbed] == []


@pytest.mark.parametrize("text", [text for _name, text, _secret in SECRETS])
def test_what_was_scrubbed_stays_as_it_is(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


@settings(max_examples=2000, deadline=None)
@given(st.lists(PIECES, max_size=9).map("".join))
def test_to_scrub_twice_is_to_scrub_once(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


@settings(max_examples=1000, deadline=None)
@given(st.text())
def test_any_text_can_be_scrubbed(text: str) -> None:
    assert isinstance(scrub(text), str)


# With a pattern that takes quadratic time one of these would take many minutes: the run would end as hanging.
@pytest.mark.parametrize(
    "unit",
    [
        *BEGINNINGS.split(),
        *("\n", "-----BEGIN PRIVATE KEY-----", f"-----BEGIN PRIVATE KEY-----{'A' * 30}\n"),
        *(
            "authorization: bearer ",
            "Authorization: OAuth ",
            "digest username=",
            "bearer aaaa",
            "basic aaaaaaaa",
        ),
        *("login a password ", "login  ", "password: str = ", "password: ", "--token ", 'token: "a b'),
    ],
)
def test_a_long_text_takes_no_longer_than_its_length(unit: str) -> None:
    assert scrub(unit * (200_000 // len(unit)))


def test_a_value_is_scrubbed_in_all_its_depth() -> None:
    value = {"log": [f"used {KEY}", 7, None, True, 1.5], KEY: "x", 3: ("a", KEY)}
    assert scrub_value(value) == {"log": [f"used {MARK}", 7, None, True, 1.5], MARK: "x", 3: ["a", MARK]}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "DB_PASS",
            "Authorization",
            "Set-Cookie",
            "credentials",
            "accessToken",
            "refresh_token",
        ),
        *("OPENAI_API_KEY", "API_KEY_2", "apiKey", "x-api-key", "client_secret"),
    ],
)
def test_what_stands_under_a_telling_name_is_hidden(name: str) -> None:
    assert scrub_value({name: "short"}) == {name: MARK}
    assert scrub_value({name: 1234}) == {name: MARK}
    assert scrub_value({name: ["a", {"b": "c"}]}) == {name: [MARK, {"b": MARK}]}


@pytest.mark.parametrize(
    "name", ["tokens", "totalTokens", "token_count", "sessionId", "path", "author", "compass"]
)
def test_what_stands_under_another_name_is_kept(name: str) -> None:
    assert scrub_value({name: "short"}) == {name: "short"}


def test_under_a_telling_name_nothing_stays_nothing() -> None:
    value = {"password": None, "token": "", "secret": False}
    assert scrub_value(value) == value


def test_a_variable_or_header_that_is_spelled_out_as_name_and_value_is_hidden() -> None:
    variables = [{"name": "OPENAI_API_KEY", "value": "short"}, {"name": "HOME", "value": "/home/me"}]
    hidden = [{"name": "OPENAI_API_KEY", "value": MARK}, {"name": "HOME", "value": "/home/me"}]
    assert scrub_value(variables) == hidden
    assert scrub_value({"key": "Cookie", "value": "a"}) == {"key": "Cookie", "value": MARK}
    assert scrub_value(["Authorization", "short"]) == ["Authorization", MARK]


def test_an_argument_after_a_telling_flag_is_hidden() -> None:
    assert scrub_value(["tool", "--api-key", "short", "run"]) == ["tool", "--api-key", MARK, "run"]
    assert scrub_value(["name", "password", "token"]) == ["name", "password", "token"]


def test_a_value_without_end_is_cut() -> None:
    value: list[object] = []
    value.append(value)
    assert MARK in str(scrub_value(value))
