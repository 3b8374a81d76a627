"""A text cut to a size: its beginning, cut where a reader would, or pages that together are all of it. Pure.

Sizes are UTF-16 units, as a client that is written in JavaScript counts characters.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right

_FENCE = re.compile(r"[\s>]*+(?>(?:(?:[*+-]|\d{1,9}[.)])\s++)?)(?P<marks>`{3,}+|~{3,}+)(?P<info>.*)")


def size(text: str) -> int:
    """How long the text is for a client."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def size_in_json(text: str) -> int:
    """The same, of the text as a JSON string: so Claude Code 2.1 counts what it reads of a resource."""
    return size(json.dumps(text, ensure_ascii=False))


def beginning(text: str, limit: int) -> str:
    """As much of the text as fits into `limit`, up to the end of a paragraph, else of a line, or of a word.

    It is a prefix of the text, and at least half as long as it may be.
    """
    if size(text) <= limit:
        return text
    cut = text[: max(0, limit)]
    while (over := size(cut) - limit) > 0 and cut:
        cut = cut[: -((over + 1) // 2)]
    for mark in ("\n\n", "\n", " "):
        at = cut.rfind(mark)
        if at > len(cut) // 2:
            return cut[:at]
    return cut


def open_fence(text: str) -> str:
    """The marks that close the code block in which the text ends; empty: it ends in none."""
    fence = ""
    for line in text.split("\n"):
        if (mark := _FENCE.fullmatch(line)) is None:
            continue
        marks, info = mark["marks"], mark["info"]
        if not fence:
            fence = "" if marks[0] == "`" and "`" in info else marks
        elif marks.startswith(fence) and not info.strip():
            fence = ""
    return fence


def pages(text: str, limit: int) -> list[str]:
    """The text in parts that are at most `limit` long as JSON, and end where a line does, if one does.

    More text at the end changes the last part only.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        rest = text[at : at + limit]
        part = rest[: max(1, _fitting(rest, limit))]
        if at + len(part) < len(text) and (end := part.rfind("\n") + 1) > len(part) // 2:
            part = part[:end]
        found.append(part)
        at += len(part)
    return found or [""]


def _fitting(text: str, limit: int) -> int:
    """How many characters of it, as JSON, come to no more than `limit`."""
    return bisect_right(range(len(text) + 1), limit, key=lambda length: size_in_json(text[:length])) - 1
