"""What must become of each line from an agent, worked out apart from the code that is tried.

A line is parsed as `frames` does it; all that comes after (whom a message is for, what is owed an answer,
what the guardian may allow by itself) is said here a second time, from the raw JSON.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from codex_fusion import frames, wire
from codex_fusion.events import ToolUpdate, Update

Wire = tuple[type, object]
"""A JSON-RPC id, told from others that are only equal to it (`True` and 1)."""

_KINDS = {"read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"}
_NO_DIFFS = ("content", "terminal")


@dataclass(frozen=True)
class Asked:
    """A permission request, raw, with the raw updates of its tool call that came before it."""

    number: Wire
    params: dict[str, Any]
    said: tuple[dict[str, Any], ...]


@dataclass
class Model:
    """What one agent, with one session that is prompted, has sent so far."""

    session: str
    limit: int
    prompt_id: int = 0
    prompted: bool = True
    """Its prompt has no answer yet: what it says reaches somebody."""
    skipped: int = 0
    oversized: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    owed: Counter[Wire] = field(default_factory=Counter)
    """The answers that are owed to requests, however they turn out."""
    items: list[Update | None] = field(default_factory=list)
    """What must reach the prompt's sink; None: a request, or its withdrawal, in `asked` and `taken_back`."""
    asked: list[Asked] = field(default_factory=list)
    """The permission requests that must reach the sink."""
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The raw updates of each tool call."""
    withdrawals: list[tuple[int, Wire]] = field(default_factory=list)
    """Ids that were taken back, each with how many requests had been made before."""

    def take(self, line: bytes) -> None:
        """One line, without its newline. Each is exactly one of the kinds that are counted."""
        self.kinds[self._kind(line)] += 1

    def _kind(self, line: bytes) -> str:
        if len(line) > self.limit:
            self.oversized += 1
            return "too long"
        message = frames.read_message(line)
        if message is None:
            self.skipped += 1
            return "skipped"
        if "method" in message:
            return self._called(message)
        if self.prompted and _wire(message["id"]) == (int, self.prompt_id):
            self.prompted = False
            return "the prompt's answer"
        return "an answer to nobody"

    def _called(self, message: dict[str, Any]) -> str:
        method, params = message["method"], message.get("params")
        request = "id" in message
        if request:
            self.owed[_wire(message["id"])] += 1
        if method == "session/update":
            return self._updated(params)
        if method == "$/cancel_request" and isinstance(params, dict):
            self.withdrawals.append((len(self.asked), _wire(params.get("requestId"))))
            return "a withdrawal"
        if method == "session/request_permission" and request:
            return self._asked(_wire(message["id"]), params or {})
        return "an unknown request" if request else "an unknown notification"

    def _updated(self, params: object) -> str:
        session, update = wire.read_update(params)
        if update is None:
            return "an update that says nothing"
        if session != self.session:
            return "an update of another session"
        if isinstance(update, ToolUpdate):
            assert isinstance(params, dict)
            self.said.setdefault(update.tool.id, []).append(params["update"])
        if not self.prompted:
            return "an update after the end"
        self.items.append(update)
        return f"event {type(update).__name__}"

    def _asked(self, number: Wire, params: dict[str, Any]) -> str:
        if params.get("sessionId") != self.session or not self.prompted:
            return "a request of nobody's: cancelled"
        call = params.get("toolCall")
        name = call.get("toolCallId") if isinstance(call, dict) else None
        said = self.said.get(name, ()) if isinstance(name, str) else ()
        self.asked.append(Asked(number, params, tuple(said)))
        self.items.append(None)
        return "event Asking"

    def withdrawn(self, at_once: set[int]) -> list[int]:
        """The places (in `asked`) of the requests that were withdrawn while they were open, in order."""
        open_then = [n for n in range(len(self.asked)) if n not in at_once]
        return [
            n
            for before, number in self.withdrawals
            for n in open_then
            if n < before and self.asked[n].number == number
        ]


def _wire(value: object) -> Wire:
    return type(value), value if isinstance(value, str | int) else None


# --- what may be allowed


def is_plain(asked: Asked) -> bool:
    """Everything that a judgement rests on can be read, in the request and in all that was said before."""
    call = asked.params.get("toolCall")
    if not isinstance(call, dict) or not _is_word(call.get("toolCallId")):
        return False
    raw = call.get("rawInput")
    if isinstance(raw, dict) and set(raw) - {"command", "cwd"}:
        return False
    return _options_are_plain(asked.params.get("options")) and all(
        map(_fields_are_plain, (call, *asked.said))
    )


def only_reads(asked: Asked) -> bool:
    """Nobody ever said of this tool call that it is more than reading files, or that it had begun."""
    return all(
        fields.get("kind") in (None, "read", "search")
        and not any(item.get("type") == "diff" for item in fields.get("content") or ())
        and (fields.get("rawInput") or {}).get("command") is None
        for fields in (asked.params["toolCall"], *asked.said)
    )


def _fields_are_plain(fields: dict[str, Any]) -> bool:
    kind, raw, places = fields.get("kind"), fields.get("rawInput"), fields.get("locations")
    if kind is not None and not (isinstance(kind, str) and kind in _KINDS):
        return False
    if raw is not None:
        if not isinstance(raw, dict) or not (raw.get("cwd") is None or _is_word(raw["cwd"])):
            return False
        command = raw.get("command")
        words = command if isinstance(command, list) and command else [command or False]
        if command is not None and not (
            _is_word(command) or (isinstance(command, list) and all(isinstance(w, str) for w in words))
        ):
            return False
    if places is not None and not (isinstance(places, list) and all(map(_has_path, places))):
        return False
    content = fields.get("content")
    return content is None or (isinstance(content, list) and all(map(_item_is_plain, content)))


def _item_is_plain(item: object) -> bool:
    if not isinstance(item, dict) or item.get("type") not in (*_NO_DIFFS, "diff"):
        return False
    if item["type"] in _NO_DIFFS:
        return True
    old = item.get("oldText")
    return _has_path(item) and isinstance(item.get("newText"), str) and (old is None or isinstance(old, str))


def _options_are_plain(options: object) -> bool:
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        return False
    names = [option.get("optionId") for option in options]
    if not all(map(_is_word, names)) or len(set(names)) < len(names):
        return False
    return any(option.get("kind") == "allow_once" for option in options)


def _has_path(item: object) -> bool:
    return isinstance(item, dict) and _is_word(item.get("path"))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value != ""
