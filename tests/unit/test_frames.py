"""Bytes from the agent → lines → messages that the ACP library can take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.frames import MAX_DEPTH, MAX_VALUES, LineReader, read_message

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)
messages = st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error", "jsonrpc"]), values)


def fed(reader: LineReader, data: bytes, sizes: list[int]) -> list[bytes]:
    lines: list[bytes] = []
    position = 0
    for size in sizes:
        lines += reader.feed(data[position : position + size])
        position += size
    return lines + reader.feed(data[position:])


def test_lines_come_without_their_newlines_and_an_unfinished_one_waits() -> None:
    reader = LineReader()
    assert reader.feed(b"one\ntw") == [b"one"]
    assert reader.feed(b"o\n\n") == [b"two", b""]
    assert reader.feed(b"half") == []
    assert reader.buffered == 4


def test_a_line_of_exactly_the_limit_is_kept_and_one_byte_more_drops_it() -> None:
    reader = LineReader(limit=4)
    assert reader.feed(b"1234\n12345\n12\n") == [b"1234", b"12"]
    assert reader.oversized == 1


def test_the_rest_of_a_dropped_line_is_not_taken_for_a_line() -> None:
    reader = LineReader(limit=4)
    assert reader.feed(b"12345") == []
    assert reader.oversized == 1
    assert reader.feed(b"67\nok\n") == [b"ok"]
    assert reader.oversized == 1


def test_nothing_of_a_dropped_line_is_held() -> None:
    reader = LineReader(limit=1000)
    for _ in range(1000):
        reader.feed(b"x" * 999)
        assert reader.buffered <= 1000
    assert reader.oversized == 1


def test_a_long_line_in_many_small_pieces_arrives_whole() -> None:
    reader = LineReader()
    for _ in range(100_000):
        assert reader.feed(b"0123456789") == []
    assert reader.feed(b"\n") == [b"0123456789" * 100_000]


@given(
    data=st.lists(st.sampled_from([b"\n", b"a", b"bc", b"{}", b"\xff"]), max_size=60).map(b"".join),
    sizes=st.lists(st.integers(0, 20), max_size=20),
    limit=st.integers(0, 12),
)
def test_how_the_bytes_are_cut_changes_nothing(data: bytes, sizes: list[int], limit: int) -> None:
    at_once, in_pieces = LineReader(limit), LineReader(limit)
    assert at_once.feed(data) == fed(in_pieces, data, sizes)
    assert at_once.oversized == in_pieces.oversized
    assert at_once.buffered == in_pieces.buffered <= limit


@given(st.binary(max_size=200), st.integers(0, 50))
def test_every_line_but_the_oversized_ones_comes_out(data: bytes, limit: int) -> None:
    reader = LineReader(limit)
    *ends, rest = data.split(b"\n")
    assert reader.feed(data) == [line for line in ends if len(line) <= limit]
    assert reader.oversized == sum(len(line) > limit for line in (*ends, rest))


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 0, "method": "session/request_permission", "params": {"sessionId": "s"}},
        {"jsonrpc": "2.0", "id": "a string", "method": "fs/read_text_file", "params": {}},
        {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s", "update": {}}},
        {"jsonrpc": "2.0", "method": "without params"},
        {"jsonrpc": "2.0", "id": 4, "result": {"stopReason": "end_turn"}},
        {"jsonrpc": "2.0", "id": 4, "result": None},
        {
            "jsonrpc": "2.0",
            "id": 4,
            "error": {"code": -32000, "message": "Authentication required", "data": None},
        },
    ],
)
def test_a_message_that_the_library_can_take_is_left_as_it_is(message: dict[str, Any]) -> None:
    assert read_message(json.dumps(message).encode()) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"  \r",
        b"npm warn deprecated something",
        b'{"id": 1, "result"',
        b'{"id": 1, "result": "\xff"}',
        b'\xef\xbb\xbf{"id": 1}',
        '{"id": 1}'.encode("utf-16"),
        b'[{"id": 1, "result": 1}]',
        b'"text"',
        b"17",
        b"null",
        b'{"id": 1, "result": NaN}',
        b'{"id": 1, "result": -Infinity}',
        b'{"id": 1, "result": 1e999}',
        b'{"id": 1, "result": ' + b"9" * 5000 + b"}",
        b'{"id": 1, "result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": 1, "result": ' + b"[" * 100_000,
        b'{"result": 1}',
        b'{"id": null, "result": 1}',
        b'{"id": true, "result": 1}',
        b'{"id": 1.0, "result": 1}',
        b'{"id": {}, "result": 1}',
        b'{"id": [1], "method": "x"}',
        b'{"id": null, "method": "x"}',
        b'{"method": null, "id": 1, "result": 1}',
        b'{"method": 1}',
        b'{"method": "x", "params": [1]}',
        b'{"method": "x", "params": "text"}',
    ],
)
def test_what_the_library_could_not_take_is_no_message(line: bytes) -> None:
    assert read_message(line) is None


def nested(depth: int) -> bytes:
    return b'{"id": 1, "result": ' + b"[" * depth + b"]" * depth + b"}"


def test_nesting_has_a_limit_that_does_not_depend_on_the_caller_s_stack() -> None:
    assert read_message(nested(MAX_DEPTH - 1)) is not None
    assert read_message(nested(MAX_DEPTH)) is None
    assert read_message(b'{"id": 1, "result": [' + b"[]," * MAX_DEPTH + b"{}]}") is not None


def test_a_message_of_too_many_parts_is_dropped_before_it_becomes_objects() -> None:
    assert read_message(b'{"id": 1, "result": [' + b"[]," * MAX_VALUES + b"0]}") is None


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_is_kept() -> None:
    assert read_message(rb'{"id": 1, "result": {"a\ud83d": "b\ud83dc"}}') == {
        "id": 1,
        "result": {"a?": "b?c"},
    }
    assert read_message(rb'{"id": 1, "result": "\ud83d\ude00"}') == {"id": 1, "result": "😀"}


@pytest.mark.parametrize(
    ("error", "read"),
    [
        ("boom", {"code": -32603, "message": "boom", "data": None}),
        (["x"], {"code": -32603, "message": "(an error without a message)", "data": None}),
        (
            {"code": True, "message": None, "data": 1},
            {"code": -32603, "message": "(an error without a message)", "data": 1},
        ),
        ({"code": 5, "message": "m"}, {"code": 5, "message": "m", "data": None}),
    ],
)
def test_an_error_is_an_answer_whatever_its_shape(error: object, read: dict[str, Any]) -> None:
    line = json.dumps({"id": 1, "result": None, "error": error}).encode()
    assert read_message(line) == {"jsonrpc": "2.0", "id": 1, "error": read}


def test_a_null_error_beside_a_result_is_no_error() -> None:
    assert read_message(b'{"id": 1, "result": 2, "error": null}') == {"id": 1, "result": 2, "error": None}


@given(
    st.binary(max_size=300)
    | messages.map(lambda m: json.dumps(m).encode())
    | values.map(lambda v: json.dumps(v).encode())
)
def test_whatever_is_a_message_is_safe_for_the_library(line: bytes) -> None:
    message = read_message(line)
    if message is None:
        return
    json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    if "method" in message:
        assert isinstance(message["method"], str)
        assert isinstance(message.get("params"), dict | None)
    if "id" in message:
        assert type(message["id"]) in (int, str)
    else:
        assert "method" in message
    assert isinstance(message.get("error"), dict | None) or "method" in message
