"""JSON from the agent → our own frozen values. Pure, and total: no input raises.

What is not there, or does not matter, is left out. What a judgement rests on and can't be read is
marked (`ToolCall.malformed`), so that nothing is ever allowed because it was unreadable.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from codex_fusion.events import (
    ContextUse,
    FileChange,
    ModeChanged,
    Notice,
    Option,
    OptionKind,
    PermissionRequest,
    PromptResult,
    SessionFailure,
    Text,
    Thought,
    ToolCall,
    ToolKind,
    ToolUpdate,
    Update,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

_AIR = ("_meta", "jetbrains", "air")
"""codex-acp 2.6.0 answers our opt-in under this key."""

# --- session/update ---------------------------------------------------------------------------------------


def read_update(params: object) -> tuple[str, Update | None]:
    """A `session/update` notification: its session id (or ""), and what it says that matters to us."""
    fields = _dict(params)
    update = _dict(fields.get("update"))
    reader = _UPDATES.get(_text(update.get("sessionUpdate")))
    return _text(fields.get("sessionId")), None if reader is None else reader(update)


def _message(update: dict[str, Any]) -> Text | None:
    text = _content_text(update.get("content"))
    if text is None:
        return None
    commentary = _dig(update, *_AIR, "phase") == "commentary"
    return Text(text, _text(update.get("messageId")) or None, commentary)


def _thought(update: dict[str, Any]) -> Thought | None:
    text = _content_text(update.get("content"))
    return None if text is None else Thought(text, _text(update.get("messageId")) or None)


def _tool_update(update: dict[str, Any]) -> ToolUpdate | None:
    tool = _tool(update)
    return ToolUpdate(tool) if tool.id else None


def _context_use(update: dict[str, Any]) -> ContextUse | None:
    used, size = _count(update.get("used")), _count(update.get("size"))
    return None if used is None or size is None else ContextUse(used, size)


def _session_info(update: dict[str, Any]) -> Notice | None:
    failure = _air(update, "sessionFailure")
    error = _dict(_dig(update, "_meta", "codex", "error"))  # the same without the opt-in
    return _notice(failure.get("title"), failure.get("details")) or _notice(error.get("message"), None)


def _session_notice(update: dict[str, Any]) -> Notice | None:
    return _notice(update.get("title"), update.get("description"))


def _notice(title: object, details: object) -> Notice | None:
    text = " — ".join(part for part in (_text(title), _text(details)) if part)
    return Notice(text) if text else None


def _current_mode(update: dict[str, Any]) -> ModeChanged:
    # A mode that can't be read is "", which is no mode that anyone asked for.
    return ModeChanged(_text(update.get("currentModeId")))


def _config_options(update: dict[str, Any]) -> ModeChanged | None:
    mode = _config_option(update, "mode")
    return None if mode is None else ModeChanged(_text(mode.get("currentValue")))


_UPDATES: dict[str, Callable[[dict[str, Any]], Update | None]] = {
    "agent_message_chunk": _message,
    "agent_thought_chunk": _thought,
    "tool_call": _tool_update,
    "tool_call_update": _tool_update,
    "usage_update": _context_use,
    "session_info_update": _session_info,
    "notice": _session_notice,
    "current_mode_update": _current_mode,
    "config_option_update": _config_options,
}


# --- tool calls and permission requests -------------------------------------------------------------------

_KINDS = {kind.value: kind for kind in ToolKind if kind is not ToolKind.UNKNOWN}
_OPTION_KINDS = {kind.value: kind for kind in OptionKind}
_COMMAND_INPUT = frozenset({"command", "cwd"})


class _Unreadable(Exception):  # noqa: N818 (a signal inside this module, never an error that anyone sees)
    """A field that a judgement rests on is there, and can't be read."""


def _tool(fields: dict[str, Any]) -> ToolCall:
    """What these fields say of a tool call; each that can't be read is left empty and sets `malformed`."""
    broken = False

    def judged(read: Callable[[dict[str, Any]], T], otherwise: T) -> T:
        nonlocal broken
        try:
            return read(fields)
        except _Unreadable:
            broken = True
            return otherwise

    changes = judged(_changes, tuple[FileChange, ...]())
    paths = (*judged(_locations, tuple[str, ...]()), *(change.path for change in changes))
    tool = ToolCall(
        id=judged(_tool_id, ""),
        title=_text(fields.get("title")),
        kind=judged(_kind, ToolKind.UNKNOWN),
        status=_text(fields.get("status")),
        command=judged(_command, None),
        cwd=judged(_cwd, None),
        # A file that is moved has its old path in `locations` and its new one only in the diff.
        paths=tuple(dict.fromkeys(paths)),
        changes=changes,
    )
    return replace(tool, malformed=broken)


def _tool_id(fields: dict[str, Any]) -> str:
    return _string(fields.get("toolCallId"))


def _kind(fields: dict[str, Any]) -> ToolKind:
    kind = fields.get("kind")
    if kind is None:
        return ToolKind.UNKNOWN
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _Unreadable
    return _KINDS[kind]


def _locations(fields: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_string(_object(item).get("path")) for item in _list(fields.get("locations")))


def _raw_input(fields: dict[str, Any]) -> dict[str, Any]:
    raw = fields.get("rawInput")
    return {} if raw is None else _object(raw)


def _command(fields: dict[str, Any]) -> str | None:
    command = _raw_input(fields).get("command")
    if isinstance(command, list) and command:
        return shlex.join(_string(word, empty=True) for word in command)
    return None if command is None else _string(command)


def _cwd(fields: dict[str, Any]) -> str | None:
    cwd = _raw_input(fields).get("cwd")
    if cwd is None:
        cwd = _dig(fields, "_meta", "terminal_info", "cwd")
    return None if cwd is None else _string(cwd)


def _changes(fields: dict[str, Any]) -> tuple[FileChange, ...]:
    changes = (_change(_object(item)) for item in _list(fields.get("content")))
    return tuple(change for change in changes if change is not None)


def _change(item: dict[str, Any]) -> FileChange | None:
    if item.get("type") in ("content", "terminal"):
        return None
    if item.get("type") != "diff":
        raise _Unreadable
    old, new = item.get("oldText"), item.get("newText")
    return FileChange(
        path=_string(item.get("path")),
        old_text=None if old is None else _string(old, empty=True),
        new_text=_string(new, empty=True),
    )


def read_permission(params: object, known: Mapping[str, ToolCall]) -> PermissionRequest:
    """A `session/request_permission`, with what is known of its tool call from earlier updates."""
    fields = _dict(params)
    call = _dict(fields.get("toolCall"))
    own = _tool(call)
    options, readable = _options(fields.get("options"))
    # More than a command (a host, wider permissions) is nothing that a flag for commands may allow.
    more = isinstance(call.get("rawInput"), dict) and not _COMMAND_INPUT.issuperset(call["rawInput"])
    earlier = known.get(own.id)
    tool = own if earlier is None else earlier.merged(own)
    said = [_text(_air(fields, "permission").get("description")), *_texts(call.get("content"))]
    return PermissionRequest(
        session_id=_text(fields.get("sessionId")),
        tool=replace(tool, malformed=tool.malformed or more or not readable),
        options=options,
        reason="\n".join(part for part in said if part) or None,
    )


def _options(value: object) -> tuple[tuple[Option, ...], bool]:
    """The options that can be chosen, and whether all of them could be read."""
    if not isinstance(value, list):
        return (), False
    options = [_option(item) for item in value]
    ids = Counter(option.id for option in options)
    # An id that stands for two answers stands for neither.
    clear = [option for option in options if option.id and ids[option.id] == 1]
    return tuple(clear), len(clear) == len(options)


def _option(value: object) -> Option:
    fields = _dict(value)
    kind = _OPTION_KINDS.get(_text(fields.get("kind")), OptionKind.UNKNOWN)
    return Option(_text(fields.get("optionId")), _text(fields.get("name")), kind)


# --- answers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What a new, forked or resumed session says of itself; None where it does not say."""

    session_id: str | None
    mode: str | None
    modes: tuple[str, ...]
    model: str | None
    effort: str | None


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What the agent says of itself; `capabilities` are the keys of its `sessionCapabilities`."""

    name: str
    version: str
    capabilities: frozenset[str]
    protocol: int | None = None


def read_initialize(result: object) -> AgentReport:
    """The answer to `initialize`."""
    info = _dict(_dig(result, "agentInfo"))
    offered = _dict(_dig(result, "agentCapabilities", "sessionCapabilities"))
    return AgentReport(
        name=_text(info.get("name")),
        version=_text(info.get("version")),
        capabilities=frozenset(key for key, value in offered.items() if value not in (None, False)),
        protocol=_count(_dig(result, "protocolVersion")),
    )


def read_session(result: object) -> SessionReport:
    """The answer to `session/new`, `session/fork` or `session/resume`."""
    fields = _dict(result)
    mode = _config_option(fields, "mode")
    if mode is None:  # an agent without configuration options
        modes = _dict(fields.get("modes"))
        current = modes.get("currentModeId")
        offered = tuple(_text(_dict(m).get("id")) for m in _items(modes.get("availableModes")))
    else:
        current = mode.get("currentValue")
        offered = tuple(_values(mode.get("options")))
    return SessionReport(
        session_id=_text(fields.get("sessionId")) or None,
        mode=_text(current) or None,
        modes=tuple(value for value in offered if value),
        model=_current(fields, "model"),
        effort=_current(fields, "reasoning_effort"),
    )


def read_prompt_result(result: object) -> PromptResult:
    """The answer to `session/prompt`; an unknown stop reason is kept, a missing one is "unknown"."""
    fields = _dict(result)
    return PromptResult(
        stop_reason=_text(fields.get("stopReason")) or "unknown",
        usage=_usage(_dict(fields.get("usage"))),
        failure=_failure(_air(fields, "sessionFailure")),
    )


def _usage(fields: dict[str, Any]) -> Usage | None:
    total = _count(fields.get("totalTokens"))
    if total is None:
        return None
    names = ("inputTokens", "cachedReadTokens", "outputTokens", "thoughtTokens")
    return Usage(total, *(_count(fields.get(name)) or 0 for name in names))


def _failure(fields: dict[str, Any]) -> SessionFailure | None:
    # A warning tells of a retry: the turn did not fail of it.
    if not fields or fields.get("severity") == "warning":
        return None
    return SessionFailure(_text(fields.get("category")) or "unknown", _text(fields.get("title")))


def _config_option(fields: dict[str, Any], option_id: str) -> dict[str, Any] | None:
    options = (_dict(item) for item in _items(fields.get("configOptions")))
    return next((option for option in options if option.get("id") == option_id), None)


def _current(fields: dict[str, Any], option_id: str) -> str | None:
    option = _config_option(fields, option_id)
    return None if option is None else _text(option.get("currentValue")) or None


def _values(options: object) -> Iterable[str]:
    for item in _items(options):
        fields = _dict(item)
        yield _text(fields.get("value"))
        yield from (_text(_dict(inner).get("value")) for inner in _items(fields.get("options")))


# --- lenient readers (what is not there is empty) and strict ones (what can't be read is said) ------------


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    return None


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dig(value: object, *keys: str) -> object:
    for key in keys:
        value = _dict(value).get(key)
    return value


def _air(fields: dict[str, Any], key: str) -> dict[str, Any]:
    return _dict(_dig(fields, *_AIR, key))


def _content_text(content: object) -> str | None:
    fields = _dict(content)
    text = fields.get("text")
    return text if fields.get("type") == "text" and isinstance(text, str) else None


def _texts(content: object) -> Iterable[str]:
    return (_content_text(_dict(item).get("content")) or "" for item in _items(content))


def _string(value: object, *, empty: bool = False) -> str:
    if isinstance(value, str) and (value or empty):
        return value
    raise _Unreadable


def _object(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Unreadable


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _Unreadable
