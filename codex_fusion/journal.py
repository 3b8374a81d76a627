"""What happened, for whoever operates the server: one line per turn on stderr, and the full record as JSONL.

structlog is imported with the first line, not with the server: a start needs none.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from enum import Enum
from io import StringIO
from typing import TYPE_CHECKING, Any

from codex_fusion.errors import FusionError
from codex_fusion.events import ContextUse, Text, Thought
from codex_fusion.scrub import scrub_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_fusion.outcome import Outcome
    from codex_fusion.permissions import Judgement

EVENTS_LIMIT = 5_000
"""Events kept of one turn; text that follows text is one event."""
TEXT_LIMIT = 1_000_000
"""Characters kept of a turn's text, and of its prompt: scrubbing a million takes half a second."""
FIELDS_LIMIT = 1_000_000
"""Characters kept of what one turn's events hold beside text: commands, diffs, reasons."""


@dataclass(frozen=True, slots=True)
class Judged:
    """For the record: under which name the request before it goes, and what became of it."""

    request: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """For the record: the session that the turn runs in."""

    session_id: str
    mode: str | None
    new: bool


class Journal:
    """Opens a `Record` for each turn; `log` is the file of full records, or None."""

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self._logger: Any = None
        self.log_problem: str | None = None
        """Why the last record could not be written, for `status`."""

    def record(self, prompt: str) -> Record:
        """The record of a new turn."""
        return Record(self, prompt, detailed=self._log is not None)

    def line(self, event: str, **fields: object) -> None:
        """One line to stderr, with its secrets taken out. What can't be told there is no reason to fail."""
        if sys.stderr is None:  # structlog would take stdout, which is the protocol's
            return
        try:
            if self._logger is None:
                self._logger = _stderr_logger()
            scrubbed: Any = scrub_value(fields)
            self._logger.info(event, **{key: _told(value) for key, value in scrubbed.items()})
        except Exception:  # noqa: BLE001, S110 a closed stderr, say: there is nobody left to tell
            pass

    def bug(self, error: Exception) -> None:
        """A fault of our own: its traceback goes to stderr."""
        self.line("bug", error=str(error), traceback="".join(traceback.format_exception(error)))

    def append(self, record: dict[str, Any]) -> None:
        """Write one full record, if a log is configured. What can't be written is told once in a line."""
        if self._log is None:
            return
        data = json.dumps(scrub_value(record), ensure_ascii=False, default=str) + "\n"
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            _append(self._log, data.encode(errors="replace"))
        except OSError as error:
            if self.log_problem is None:
                self.line("log_not_written", file=str(self._log), problem=str(error))
            self.log_problem = f"{self._log}: {error}"
        else:
            self.log_problem = None


def _append(path: Path, data: bytes) -> None:
    """Add to the file in one piece: another server may write to the same one. A pipe is not waited for."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    fd = os.open(path, flags, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as file:
        while data:
            written = file.write(data)
            if written is None:
                raise OSError(errno.EAGAIN, "its reader does not keep up")
            data = data[written:]


class Record:
    """What happened in one turn, bounded."""

    def __init__(self, journal: Journal, prompt: str, *, detailed: bool) -> None:
        self.journal = journal
        self._prompt = _cut(prompt)
        self._detailed = detailed
        self._began = time.time()
        self._began_at: float | None = None
        self._events: list[dict[str, Any]] = []
        self._dropped = 0
        self._text_size = 0
        self._fields_size = 0

    def event(self, item: object, at: float) -> None:
        """Keep one event; pieces of one message become one."""
        if not self._detailed or isinstance(item, ContextUse):
            return
        self._began_at = at if self._began_at is None else self._began_at
        entry: dict[str, Any] = {
            "event": type(item).__name__,
            "at_s": round(at - self._began_at, 3),
        }
        if isinstance(item, Text | Thought):
            self._text(item, entry)
            return
        fields = _plain_fields(item)
        size = self._fields_size + _size(fields)
        if len(self._events) >= EVENTS_LIMIT or size > FIELDS_LIMIT:
            self._dropped += 1
            return
        self._fields_size = size
        self._events.append(entry | fields)

    def _text(self, item: Text | Thought, entry: dict[str, Any]) -> None:
        last = self._events[-1] if self._events else {}
        same = last.get("event") == entry["event"] and last.get("message_id") == item.message_id
        self._text_size += len(item.text)
        if self._text_size > TEXT_LIMIT or (not same and len(self._events) >= EVENTS_LIMIT):
            self._dropped += 1
            return
        if not same:
            last = entry | {"message_id": item.message_id, "text": StringIO()}
            self._events.append(last)
        last["text"].write(item.text)

    def close(self, outcome: Outcome, mode: str | None, decided: Mapping[str, str]) -> None:
        """The turn is over: the canonical line, and the full record.

        `mode` is the confinement's in its session; `decided` tells what became of each request.
        """
        fields: dict[str, Any] = {
            "turn": outcome.turn,
            "tool": outcome.tool,
            "status": outcome.status.value,
            "seconds": round(outcome.seconds, 3),
            "round": outcome.round,
            "verdict": outcome.verdict.state.value if outcome.verdict else None,
            "stop_reason": outcome.stop_reason,
            "tokens": outcome.usage.total if outcome.usage else None,
            "session": outcome.session_id,
            "new_session": outcome.new_session,
            "confinement": mode,
            "decisions": ", ".join(f"{name} {fate}" for name, fate in decided.items()) or None,
            "problem": outcome.problem.message if outcome.problem else None,
        }
        self.journal.line("turn", **{k: v for k, v in fields.items() if v is not None})
        if self._detailed:
            for entry in self._events:
                if isinstance(entry.get("text"), StringIO):
                    entry["text"] = entry["text"].getvalue()
            full = {"began": self._began, **fields, "decisions": dict(decided)}
            full |= {
                name: _plain(getattr(outcome, name)) for name in ("usage", "context", "verdict", "problem")
            }
            full |= {"prompt": self._prompt, "text": _cut(outcome.text)}
            full |= {"events": self._events, "events_dropped": self._dropped}
            self.journal.append(full)
        self._events = []


def _plain_fields(item: object) -> dict[str, Any]:
    if not dataclasses.is_dataclass(item) or isinstance(item, type):
        return {}
    return {f.name: _plain(getattr(item, f.name)) for f in dataclasses.fields(item)}


def _plain(value: object) -> Any:  # noqa: ANN401 JSON
    match value:
        case Enum():
            return value.value
        case FusionError():
            return value.explain()
        case tuple() | list():
            return [_plain(v) for v in value]
        case str() | int() | float() | None:
            return value
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    return f"{type(value).__name__}: {value}"


def _cut(text: str) -> str:
    """Not in the middle of a word: half a key has no known shape, and would stay."""
    if len(text) <= TEXT_LIMIT:
        return text
    kept = text[:TEXT_LIMIT]
    kept = kept[: max(kept.rfind(" "), kept.rfind("\n")) + 1]
    return f"{kept}… ({len(text) - len(kept):,} characters more)"


def _size(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(_size, value.values()))
        case list():
            return sum(map(_size, value))
    return 1


def _told(value: object) -> object:
    """A value for one line of a terminal: no commands, and no line breaks but those that logfmt escapes."""
    if not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in value)


def _stderr_logger() -> Any:  # noqa: ANN401 structlog's own type
    import structlog

    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
    )
