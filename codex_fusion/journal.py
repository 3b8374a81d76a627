"""What happened, for whoever operates the server: one line per turn on stderr, and the full record as JSONL.

structlog is imported with the first line, not with the server: a start needs none.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import traceback
from enum import Enum
from typing import TYPE_CHECKING, Any

from codex_fusion.events import ContextUse, Text, Thought
from codex_fusion.scrub import scrub, scrub_value
from codex_fusion.transcript import TEXT_LIMIT

if TYPE_CHECKING:
    from pathlib import Path

    from codex_fusion.driver import RunningTurn

EVENTS_LIMIT = 5_000
"""Events kept of one turn; text that follows text is one event."""


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
        """One line to stderr, with its secrets taken out. A closed stderr is no reason to fail."""
        try:
            if self._logger is None:
                self._logger = _stderr_logger()
            self._logger.info(event, **{name: scrub_value(value) for name, value in fields.items()})
        except (OSError, ValueError):
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
            with self._log.open("a", encoding="utf-8", errors="replace") as file:
                file.write(data)
        except OSError as error:
            if self.log_problem is None:
                self.line("log_not_written", file=str(self._log), problem=str(error))
            self.log_problem = f"{self._log}: {error}"
        else:
            self.log_problem = None


class Record:
    """What happened in one turn, bounded."""

    def __init__(self, journal: Journal, prompt: str, *, detailed: bool) -> None:
        self.journal = journal
        self._prompt = prompt
        self._detailed = detailed
        self._began = time.time()
        self._began_at: float | None = None
        self._events: list[dict[str, Any]] = []
        self._dropped = 0
        self._characters = 0

    def event(self, item: object, at: float) -> None:
        """Keep one event; pieces of one message become one."""
        if not self._detailed or isinstance(item, ContextUse):
            return
        self._began_at = at if self._began_at is None else self._began_at
        if isinstance(item, Text | Thought):
            self._characters += len(item.text)
            if self._characters > TEXT_LIMIT:
                self._dropped += 1
                return
        if isinstance(item, Text | Thought) and self._events:
            last = self._events[-1]
            if last["event"] == type(item).__name__ and last.get("message_id") == item.message_id:
                last["pieces"].append(item.text)
                return
        if len(self._events) >= EVENTS_LIMIT:
            self._dropped += 1
            return
        entry: dict[str, Any] = {"event": type(item).__name__, "at_s": round(at - self._began_at, 3)}
        if isinstance(item, Text | Thought):
            entry |= {"message_id": item.message_id, "pieces": [item.text]}
        else:
            entry |= _plain_fields(item)
        self._events.append(entry)

    def close(self, turn: RunningTurn) -> None:
        """The turn is over: the canonical line, and the full record."""
        outcome = turn.outcome()
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
            "confinement": turn.conversation.mode if turn.conversation else None,
            "decisions": dict(turn.decided) or None,
            "problem": outcome.problem.message if outcome.problem else None,
        }
        self.journal.line("turn", **{k: v for k, v in fields.items() if v is not None})
        if self._detailed:
            for entry in self._events:
                if "pieces" in entry:
                    entry["text"] = "".join(entry.pop("pieces"))
            full = {"began": self._began, **fields, "prompt": self._prompt, "text": outcome.text}
            full |= {"events": self._events, "events_dropped": self._dropped}
            self.journal.append(full)
        self._events = []


def _plain_fields(item: object) -> dict[str, Any]:
    if not dataclasses.is_dataclass(item) or isinstance(item, type):
        return {}
    return {f.name: _plain(getattr(item, f.name)) for f in dataclasses.fields(item)}


def _plain(value: object) -> Any:  # noqa: ANN401 JSON
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else scrub(str(value))


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
