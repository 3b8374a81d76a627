"""What an agent asks for, in one line: for the journal, a denial's prompt, a status. Pure.

A line here is for recognizing a request, not for judging it: it is cut where it grows long. Whoever
decides gets the request whole (`render`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_fusion.events import ToolKind

if TYPE_CHECKING:
    from codex_fusion.events import PermissionRequest, ToolCall

LINE = 200
"""How many characters of one text a line shows."""
NAMES = 5
"""How many files a line names."""

_JOINER = "\u200d"
"""Between the parts of one emoji."""
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_VERBS = {ToolKind.DELETE: "delete", ToolKind.MOVE: "move"}
_WRITES = frozenset({ToolKind.EDIT, ToolKind.DELETE, ToolKind.MOVE})


def one_line(text: str, limit: int = LINE) -> str:
    r"""`text` on one line that shows what it holds: `\n`, escapes, characters that turn the text's direction.

    Shown rather than dropped, so that a second line of a command can't pass for arguments of the first.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def printable(text: str) -> str:
    """The text, lines and tabs kept, with all that a screen would obey, or hide, written out."""
    return "".join(
        c if c.isprintable() or c in "\n\t\u00a0" or c == _JOINER else ascii(c)[1:-1] for c in text
    )


def names(paths: tuple[str, ...]) -> str:
    """Paths as a short list."""
    listed = ", ".join(one_line(path) for path in paths[:NAMES])
    more = len(paths) - NAMES
    return f"{listed} and {more} more" if more > 0 else listed


def address(tool: ToolCall) -> str | None:
    """The web address that a tool call shows, if it shows one."""
    found = _ADDRESS.search(tool.title)
    return found.group() if found else None


def files(tool: ToolCall) -> tuple[str, ...]:
    """Every file that a tool call names, each once: those of its changes, then the others."""
    return tuple(dict.fromkeys((*(change.path for change in tool.changes), *tool.paths)))


def what(request: PermissionRequest) -> str:
    """The request in one line that begins with a verb: "run `touch x` in /ws", "edit a.py, b.py"."""
    tool = request.tool
    parts = []
    if tool.command is not None:
        folder = "" if tool.cwd is None else f" in {one_line(tool.cwd)}"
        parts.append(f"run `{one_line(tool.command)}`{folder}")
    if tool.changes or (tool.kind in _WRITES and tool.paths):
        parts.append(f"{_VERBS.get(tool.kind, 'edit')} {names(files(tool))}")
    return " and ".join(parts) or _other(tool)


def _other(tool: ToolCall) -> str:
    """Say what neither runs a command nor changes a file that it names."""
    title = one_line(tool.title)
    if tool.kind is ToolKind.FETCH and (url := address(tool)):
        return f"fetch {one_line(url)}"
    if tool.kind is ToolKind.READ and tool.paths:
        return f"read {names(tool.paths)}"
    if tool.kind is ToolKind.SEARCH and tool.paths:
        return f"search in {names(tool.paths)}"
    return f"do what it calls “{title}”" if title else f"do something it does not name (kind: {tool.kind})"


def duration(seconds: float) -> str:
    """A time as people say it, in its two largest units: "42 s", "3 min 7 s", "1 h 5 min", "2 days"."""
    left = max(0, round(seconds))
    first = next((index for index, (_, unit) in enumerate(_UNITS) if left >= unit), len(_UNITS) - 1)
    told: list[str] = []
    for name, unit in _UNITS[first : first + 2]:
        count, left = divmod(left, unit)
        if count or not told:
            told.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
    return " ".join(told)
