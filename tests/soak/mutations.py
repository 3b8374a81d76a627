"""What an agent might send: codex-acp's own messages, and what becomes of them when something goes wrong.

Every choice is the generator's own random numbers': the same seed gives the same bytes.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.support.acp_messages import COMMAND, EDIT, OPTIONS, PERMISSION, PROMPT_RESULT, SESSION_RESULT, air

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

LINE_LIMIT = 32_768
"""Of a line, in the fuzzer: small, so that it is met often."""

_READ = {
    "sessionUpdate": "tool_call",
    "toolCallId": "t",
    "kind": "read",
    "title": "Read file 'a.py'",
    "status": "pending",
    "locations": [{"path": "/w/a.py"}],
}
_FETCH = {"toolCallId": "t", "kind": "fetch", "title": "Fetch https://example.org/x", "status": "pending"}
_CHUNK = {"messageId": "m1", "content": {"type": "text", "text": "Words — größer, 字, 🔐. "}}
_FAILURE = {"category": "connection", "severity": "warning", "title": "Reconnecting... 1/5", "actions": []}
_UPDATES: tuple[dict[str, Any], ...] = (
    {"sessionUpdate": "agent_message_chunk", **_CHUNK},
    {"sessionUpdate": "agent_message_chunk", **_CHUNK, "_meta": air("phase", "commentary")},
    {"sessionUpdate": "agent_thought_chunk", **_CHUNK},
    COMMAND,
    EDIT,
    _READ,
    {"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed"},
    {"sessionUpdate": "usage_update", "used": 1050, "size": 258400},
    {"sessionUpdate": "session_info_update", "_meta": air("sessionFailure", _FAILURE)},
    {"sessionUpdate": "notice", "title": "Context compacted", "description": "to fit"},
    {"sessionUpdate": "current_mode_update", "currentModeId": "agent"},
    {"sessionUpdate": "config_option_update", "configOptions": SESSION_RESULT["configOptions"]},
    {"sessionUpdate": "plan", "entries": [{"content": "x", "priority": "low", "status": "pending"}]},
    {"sessionUpdate": "available_commands_update", "availableCommands": []},
)
_ASKED: tuple[dict[str, Any], ...] = (
    PERMISSION["toolCall"],
    {key: value for key, value in EDIT.items() if key != "sessionUpdate"},
    {key: value for key, value in _READ.items() if key != "sessionUpdate"},
    {**PERMISSION["toolCall"], "kind": "execute"},
    _FETCH,
    {"toolCallId": "t"},
)
_OTHER_METHODS = ("fs/read_text_file", "terminal/create", "_vendor/thing", "session/prompt", "", "initialize")
_METHODS = ("session/update", "session/request_permission", "$/cancel_request", *_OTHER_METHODS)

_KEYS = (
    *("sessionId", "update", "sessionUpdate", "toolCallId", "kind", "title", "status", "content", "type"),
    *("path", "locations", "rawInput", "command", "cwd", "options", "optionId", "name", "text", "newText"),
    *("oldText", "_meta", "id", "method", "params", "result", "error", "jsonrpc", "toolCall", "requestId"),
    *("codex-fusion/request-id", "terminal_info", "currentModeId", "", "\x00", "__proto__"),
)
_TEXTS = (
    *("", " ", "\x00", "read", "execute", "diff", "allow_once", "allow_always", "reject_once", "agent"),
    *("/etc/passwd", "../../x", "~", "/w/a\x00b", "\u202e", "\ud800", "\udfff\ud800", "🔐" * 50, "a" * 300),
    *("end_turn", "cancelled", "terminal", "content", "completed", "in_progress", "unknown", "https://x"),
)
_NUMBERS = (0, 1, -1, 1.0, 1.5, -0.0, 2**31, 2**63, -(2**63), 10**30, 1e308, True, False)
_RAW = (
    *(
        b"\x00",
        b"\xff",
        b"\xfe\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\r",
        b"\t",
    ),
    *(b"\\", b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\ud800", b"\\udc00", b"\\u0000", b"\\n", b"\n"),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1E400", b"0x10", b"01", b"1.", b"+1"),
    *(b"null", b"true", b"9" * 400, b"9" * 5000, b"1e-400", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"// x", b"'"),
)
_LINES = (
    *(
        b"",
        b" ",
        b"\r",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"7",
        b"true",
        b"\x00" * 40,
        b"\xff" * 40,
        b"[" * 500,
    ),
    *(b'{"a":' * 300, b"[[" * 40 + b"]]" * 40, b'{"jsonrpc":"2.0"}', b'{"id":1}', b'{"id":1,"method":null}'),
    *(b'{"method":7,"id":1}', b'{"method":"x","params":[1]}', b'{"method":"x","id":[1],"params":{}}'),
    *(b'{"id":{"a":1},"result":{}}', b'[{"jsonrpc":"2.0","method":"x"}]', b"npm WARN deprecated x@1.0.0"),
    *(b'{"id":1e2,"result":1}', b'{"id":"\\ud800","method":"x"}', b'{"id":-0,"method":"x"}'),
)


class Mutations:
    """Makes inputs. `session` is the one that is prompted; `prompt_id` the JSON-RPC id of its prompt."""

    def __init__(self, rng: Random, session: str) -> None:
        self.prompt_id = 0
        self._rng = rng
        self._session = session
        self._calls = 0
        self._ids = 0
        self._last_ids: list[object] = [1]

    def input(self) -> bytes:
        """One input: mostly one line, with its newline; sometimes half of one, or several."""
        rng = self._rng
        dice = rng.random()
        if dice < 0.03:
            return rng.choice(_LINES) + b"\n"
        message = self._message()
        if dice > 0.7:
            for _ in range(rng.randrange(1, 4)):
                message = self._twisted(message)
        # As codex-acp writes it, or as some other library would.
        line = json.dumps(message, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        if 0.5 < dice < 0.7:
            for _ in range(rng.randrange(1, 4)):
                line = self._damaged(line)
        elif 0.49 < dice < 0.492:
            line = self._stretched(line)
        return line if 0.03 <= dice < 0.04 else line + b"\n"

    # --- messages

    def _message(self) -> dict[str, Any]:
        dice = self._rng.random()
        if dice < 0.55:
            return self._update()
        if dice < 0.85:
            return self._permission()
        if dice < 0.9:
            params = {"requestId": self._rng.choice(self._last_ids)}
            return {"jsonrpc": "2.0", "method": "$/cancel_request", "params": params}
        if dice < 0.95:
            return self._response()
        method = self._rng.choice(_OTHER_METHODS)
        message = {"jsonrpc": "2.0", "id": self._id(), "method": method, "params": {"path": "/etc/passwd"}}
        if self._rng.random() < 0.5:
            del message["id"]
        return message

    def _update(self) -> dict[str, Any]:
        update = dict(self._rng.choice(_UPDATES))
        if "toolCallId" in update:
            update["toolCallId"] = self._call()
        if "messageId" in update:
            update["messageId"] = f"m{self._rng.randrange(4)}"
        params = {"sessionId": self._whose(), "update": update}
        return {"jsonrpc": "2.0", "method": "session/update", "params": params}

    def _permission(self) -> dict[str, Any]:
        call = {**self._rng.choice(_ASKED), "toolCallId": self._call()}
        params = {
            "sessionId": self._whose(),
            "toolCall": call,
            "options": OPTIONS,
            "_meta": PERMISSION["_meta"],
        }
        method = "session/request_permission"
        return {"jsonrpc": "2.0", "id": self._id(), "method": method, "params": params}

    def _response(self) -> dict[str, Any]:
        # The prompt is not always answered: what comes after it reaches nobody.
        number: object = self.prompt_id if self._rng.random() < 0.05 else self._rng.choice((0, 77, "x", -1))
        if self._rng.random() < 0.5:
            return {"jsonrpc": "2.0", "id": number, "result": PROMPT_RESULT}
        error = {"code": -32603, "message": "Internal error", "data": {"details": "x"}}
        return {"jsonrpc": "2.0", "id": number, "error": error}

    def _whose(self) -> str:
        return self._session if self._rng.random() < 0.95 else "another"

    def _call(self) -> str:
        """The id of a tool call: a new one, or one of the last."""
        if self._rng.random() < 0.2:
            self._calls += 1
        return f"call_{self._calls - self._rng.randrange(3)}"

    def _id(self) -> object:
        self._ids += 1
        chosen: object = self._rng.choice((self._ids, f"r{self._ids}", self._ids % 5))
        self._last_ids = [*self._last_ids[-4:], chosen]
        return chosen

    # --- mutations of JSON

    def _twisted(self, message: dict[str, Any]) -> dict[str, Any]:
        """A copy in which one thing is not what it was."""
        message = deepcopy(message)
        parent: Any = message
        key: Any = self._rng.choice(list(parent))
        while isinstance(parent[key], dict | list) and parent[key] and self._rng.random() < 0.85:
            parent = parent[key]
            key = (
                self._rng.choice(list(parent))
                if isinstance(parent, dict)
                else self._rng.randrange(len(parent))
            )
        match self._rng.randrange(6):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[self._rng.choice(_KEYS)] = parent.pop(key)
            case 2 if isinstance(parent, dict):
                parent[self._rng.choice(_KEYS)] = self._value()
            case 3 if isinstance(parent, list):
                parent += parent * self._rng.randrange(1, 20)
            case 4:
                parent[key] = self._nested(parent[key])
            case _:
                parent[key] = self._value()
        return message or {"": None}

    def _value(self) -> Any:  # noqa: ANN401 JSON
        values: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: self._rng.choice(_NUMBERS),
            lambda: {self._rng.choice(_KEYS): self._rng.choice(_TEXTS)},
            lambda: [self._rng.choice(_TEXTS)] * self._rng.randrange(3),
            lambda: deepcopy(self._rng.choice(_ASKED)),
            lambda: self._rng.choice(_METHODS),
            lambda: self._rng.choice(_TEXTS),
        )
        return self._rng.choice(values)()

    def _nested(self, value: Any) -> Any:  # noqa: ANN401 JSON
        for _ in range(self._rng.choice((1, 2, 55, 60, 65, 200))):
            value = [value] if self._rng.random() < 0.5 else {self._rng.choice(_KEYS): value}
        return value

    # --- mutations of bytes

    def _damaged(self, line: bytes) -> bytes:
        at = self._rng.randrange(len(line) + 1)
        damage: tuple[Callable[[bytes, int], bytes], ...] = (
            self._cut,
            self._inserted,
            self._overwritten,
            self._left_out,
            self._said_twice,
            self._given_twice,
            self._spliced,
        )
        return self._rng.choice(damage)(line, at)

    def _cut(self, line: bytes, at: int) -> bytes:
        return line[:at]

    def _inserted(self, line: bytes, at: int) -> bytes:
        return line[:at] + self._rng.choice(_RAW) + line[at:]

    def _overwritten(self, line: bytes, at: int) -> bytes:
        return line[:at] + bytes((self._rng.randrange(256),)) + line[at + 1 :]

    def _left_out(self, line: bytes, at: int) -> bytes:
        return line[:at] + line[at + self._rng.randrange(1, 40) :]

    def _said_twice(self, line: bytes, at: int) -> bytes:
        end = at + self._rng.randrange(1, 200)
        return line[:end] + line[at:end] + line[end:]

    def _given_twice(self, line: bytes, at: int) -> bytes:
        """A key that is there already, with another value, before or behind the first."""
        key = self._rng.choice(("id", "method", "params", "sessionId", "toolCallId", "kind", "options"))
        again = json.dumps({key: self._value()}).encode()[1:-1]
        brace = line.find(b"{", at)
        if brace == -1:
            return line[:-1] + b"," + again + line[-1:]
        return line[: brace + 1] + again + b"," + line[brace + 1 :]

    def _spliced(self, line: bytes, at: int) -> bytes:
        other = json.dumps(self._message()).encode()
        return line[:at] + other[self._rng.randrange(len(other)) :]

    def _stretched(self, line: bytes) -> bytes:
        """A line about as long as one may be: of white space, or of a longer text."""
        length = LINE_LIMIT + self._rng.choice((-1, 0, 1, 2, 100, LINE_LIMIT))
        fill = max(0, length - len(line))
        if self._rng.random() < 0.5:
            return line + b" " * fill
        return line[:-1] + b',"x":"' + b"x" * max(0, fill - 7) + b'"}'
