"""Bytes from the agent → lines → JSON-RPC messages. Pure, and total: no input raises.

The agent is a stranger: it may send no JSON, half a line, a gigabyte, or a message that would break the
library that reads it. What can't be used is left out, and what is held stays bounded.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

LINE_LIMIT = 16 * 2**20
"""Longer lines are dropped: codex-acp's longest was 1.1 MB (a command's large output)."""

MAX_DEPTH = 64
MAX_VALUES = 1_000_000
"""JSON nested deeper, or of more parts, is dropped: 16 MB of `[],[],…` would take 400 MB as objects."""

_INTERNAL_ERROR = -32603
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class LineReader:
    """Bytes in any pieces → whole lines, never holding more than one line of `limit` bytes."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._skipping = False
        self.oversized = 0
        """How many lines were dropped for their length, the one still coming in included."""

    @property
    def buffered(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their newlines."""
        *ends, rest = data.split(b"\n")
        lines: list[bytes] = []
        for end in ends:
            self._append(end)
            if not self._skipping:
                lines.append(bytes(self._partial))
            self._partial.clear()
            self._skipping = False
        self._append(rest)
        return lines

    def _append(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._partial) + len(piece) > self._limit:
            self._skipping = True
            self.oversized += 1
            self._partial.clear()
        else:
            self._partial += piece


def read_message(line: bytes) -> dict[str, Any] | None:
    """The JSON-RPC message of a line, in a form that the ACP library can take; None if there is none."""
    message = _parse(line)
    if not isinstance(message, dict):
        return None
    if "method" in message:
        return message if _is_call(message) else None
    if not _is_id(message.get("id")):
        return None
    # The library takes a `result` where both stand, and dies on an error that is no object.
    error = message.get("error")
    return message if error is None else {"jsonrpc": "2.0", "id": message["id"], "error": _error(error)}


def _is_call(message: dict[str, Any]) -> bool:
    params = message.get("params")
    return (
        isinstance(message["method"], str)
        and (params is None or isinstance(params, dict))
        and ("id" not in message or _is_id(message["id"]))
    )


def _is_id(value: object) -> bool:
    # True and 1.0 are equal to 1 as keys: they would answer a request that they do not name.
    return isinstance(value, str | int) and not isinstance(value, bool)


def _error(error: object) -> dict[str, Any]:
    fields = error if isinstance(error, dict) else {"message": error}
    code, message = fields.get("code"), fields.get("message")
    return {
        "code": code if isinstance(code, int) and not isinstance(code, bool) else _INTERNAL_ERROR,
        "message": message if isinstance(message, str) else "(an error without a message)",
        "data": fields.get("data"),
    }


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> float:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _parse(line: bytes) -> object:
    containers = line.count(b"[") + line.count(b"{")
    if containers + line.count(b",") > MAX_VALUES:
        return None
    try:
        value: object = _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        return None
    if containers > MAX_DEPTH and _too_deep(value):
        return None
    return _without_lone_surrogates(value) if _LONE_SURROGATE.search(line) else value


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_lone_surrogates(value: object) -> object:
    # Half a surrogate pair can be a JSON string, but no UTF-8 text: whoever prints it later would fail.
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))
