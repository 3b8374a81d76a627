"""The verdict line that ends Codex's reply in a debate, read from the answer as he wrote it.

The last verdict line counts. One inside a fenced code block is a quotation, and counts only if it ends the
answer: there it is a verdict that was dressed as code, or the fence was never closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class VerdictState(StrEnum):
    """Whether anything is left to argue."""

    CONSENSUS = "consensus"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state, and in Codex's words what is settled or still open (empty where he gave none)."""

    state: VerdictState
    point: str


# Possessive (`*+`) throughout: a line is read once, whatever it holds. \uff1a is the full-width colon,
# \u2010-\u2015 are dashes. After the state comes a separator or the end: "open questions remain" is prose.
_LINE = re.compile(
    r"""
    (?P<before> [\s>*_`~\#+•-]*+ (?:\d{1,9}[.)][\s*_`~]*+)? )   # quotation, heading and list marks, emphasis
    VERDICT (?P<between> [\s*_`~]*+ [:\uff1a\-\u2010-\u2015] [\s*_`~:\uff1a\-\u2010-\u2015]*+ )
    (?P<state> CONSENSUS | OPEN ) (?![^\W_]|-\w)                # a word of its own: not "open-ended"
    (?P<after> [\s*_`~]*+ )
    (?: [:\uff1a\-\u2010-\u2015,.;]++>?\s*+ | (?=\() | \Z )
    (?P<point> .* )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FENCE = re.compile(r"[\s>]*+(?>(?:(?:[*+-]|\d{1,9}[.)])\s++)?)(?P<marks>`{3,}+|~{3,}+)(?P<info>.*)")
_EMPHASIS = "*_`~"


def read(answer: str) -> Verdict | None:
    """The answer's last verdict line, or None."""
    verdict: Verdict | None = None
    last: Verdict | None = None
    fence = ""
    for line in answer.splitlines():
        if mark := _FENCE.fullmatch(line):
            marks, info = mark["marks"], mark["info"]
            if not fence and not (marks[0] == "`" and "`" in info):
                fence = marks
                continue
            if fence and marks.startswith(fence) and not info.strip():
                fence = ""
                continue
        if line.strip():
            last = _read_line(line)
            verdict = (None if fence else last) or verdict
    return last or verdict


def _read_line(line: str) -> Verdict | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    around = match["before"] + match["between"] + match["after"]
    return Verdict(VerdictState[match["state"].upper()], _point(match["point"].strip(), around))


def _point(text: str, around: str) -> str:
    """The text without the other half of an emphasis in `around`: an odd `**` is one too many."""
    for _ in range(2):  # emphasis in emphasis, such as **`…`**
        end = text[len(text.rstrip(text[-1:])) :]
        if _is_half(end, text, around):
            text = text.removesuffix(end).rstrip()
        start = text[: len(text) - len(text.lstrip(text[:1]))]
        if _is_half(start, text, around):
            text = text.removeprefix(start).lstrip()
    return text


def _is_half(run: str, text: str, around: str) -> bool:
    return run[:1] in _EMPHASIS and run[:1] in around and text.count(run) % 2 == 1
