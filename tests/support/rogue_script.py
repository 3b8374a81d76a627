"""The actions of the rogue agent, for a test to write its script with (rogue.py)."""

from __future__ import annotations

import base64
import json
from typing import Any

Action = dict[str, Any]

ALLOW = {"optionId": "allow_once", "name": "Yes, proceed", "kind": "allow_once"}
REJECT = {"optionId": "cancel", "name": "No, and tell Codex what to do differently", "kind": "reject_once"}
STANDING = {
    "optionId": "accept_execpolicy_amendment",
    "name": "Yes, and don't ask again",
    "kind": "allow_always",
}
STANDING_FILES = {"optionId": "allow_for_session", "name": "Yes, for this session", "kind": "allow_always"}

COMMAND_OPTIONS = (ALLOW, STANDING, REJECT)
EDIT_OPTIONS = (ALLOW, STANDING_FILES, REJECT)
ONLY_STANDING = (STANDING, STANDING_FILES)


def _made(do: str, **fields: object) -> Action:
    """An action; what is None is left to the agent's own default."""
    return {"do": do, **{name: value for name, value in fields.items() if value is not None}}


# --- what a well-behaved agent says


def text(words: str, *, message: str = "msg", session: str | None = None) -> Action:
    """A piece of the message with this id."""
    return _made("text", text=words, message=message, session=session)


def text_without_id(words: str) -> Action:
    """A piece of a message that has no id."""
    return {"do": "text", "text": words, "message": None}


def update(kind: str, fields: dict[str, Any], *, session: str | None = None) -> Action:
    """Any `session/update`."""
    return _made("update", update={"sessionUpdate": kind, **fields}, session=session)


def thought(words: str, *, message: str = "thought") -> Action:
    """A piece of reasoning."""
    return update("agent_thought_chunk", {"messageId": message, "content": {"type": "text", "text": words}})


def tool(call_id: str, title: str, *, kind: str = "read", **fields: object) -> Action:
    """A tool call begins; the fields have ACP's names (`locations`, `rawInput`, `content` …)."""
    known = {"toolCallId": call_id, "title": title, "kind": kind, "status": "in_progress"}
    return update("tool_call", {**known, **fields})


def tool_update(call_id: str, *, status: str = "completed", **fields: object) -> Action:
    """A tool call changes."""
    return update("tool_call_update", {"toolCallId": call_id, "status": status, **fields})


def usage(used: int, size: int) -> Action:
    """How full the context is."""
    return update("usage_update", {"used": used, "size": size})


def notice(title: str, *, category: str = "connection") -> Action:
    """A retry is told, as to a client that opted in."""
    failure = {"id": "1:error", "revision": 1, "category": category, "severity": "warning", "title": title}
    meta = {"jetbrains": {"air": {"version": 1, "sessionFailure": {**failure, "actions": []}}}}
    return update("session_info_update", {"_meta": meta})


def reply(stop_reason: str = "end_turn", *, meta: dict[str, Any] | None = None) -> Action:
    """The prompt's answer. It comes by itself at the end; what stands after it is late."""
    return _made("reply", stop_reason=stop_reason, meta=meta)


def failed_reply(category: str, title: str) -> Action:
    """The answer of a turn that failed, to a client that opted in."""
    failure = {"id": "1:error", "revision": 1, "category": category, "severity": "error", "title": title}
    return reply(meta={"jetbrains": {"air": {"version": 1, "sessionFailure": {**failure, "actions": []}}}})


def result(**fields: object) -> Action:
    """This as the result of the request, whatever it was."""
    return _made("reply", result=fields)


def error(code: int, message: str) -> Action:
    """An error as the answer."""
    return _made("error", code=code, message=message)


def mode(value: str, *, tell: bool = False) -> Action:
    """From now on, say of every session that it is in this mode, whatever was set; `tell` it at once, too."""
    return _made("mode", value=value, tell=tell)


# --- permission requests


def ask(  # noqa: PLR0913 - the fields of a message
    command: str = "touch x",
    *,
    cwd: str = "/",
    reason: str | None = None,
    call_id: str | None = None,
    options: tuple[dict[str, str], ...] = COMMAND_OPTIONS,
    ask_id: int | str | None = None,
    session: str | None = None,
    announced: bool = True,
    answered: bool = True,
    end_on_reject: bool = True,
) -> Action:
    """Ask to run a command. `answered=False`: go on at once, with the request open."""
    raw_input = {"command": command, "cwd": cwd}
    call = {"toolCallId": call_id or f"call of {command}", "title": command, "rawInput": raw_input}
    announce = {**call, "kind": "execute", "status": "in_progress"} if announced else None
    more: Action = {"reason": reason, "ask_id": ask_id, "session": session, "announce": announce}
    flags = {"answered": answered, "end_on_reject": end_on_reject}
    return _made("ask", call=call, options=list(options), **more, **flags)


def ask_edit(path: str, old: str | None, new: str, *, answered: bool = True) -> Action:
    """Ask to change a file. As with codex-acp, only the announcement holds the diff."""
    call = {"toolCallId": f"call of {path}", "title": "Editing files"}
    diff = {"type": "diff", "path": path, "oldText": old, "newText": new}
    announce = {**call, "kind": "edit", "status": "in_progress", "content": [diff]}
    call_asked = {**call, "locations": [{"path": path}]}
    return _made("ask", call=call_asked, options=list(EDIT_OPTIONS), announce=announce, answered=answered)


def wait_for_answers(*ids: int | str) -> Action:
    """Until these requests (none named: all of the turn) are answered or withdrawn."""
    return _made("wait", ids=list(ids) or None)


def withdraw(*ids: int | str) -> Action:
    """Take back these requests (none named: all that the turn has open)."""
    return _made("withdraw", ids=list(ids) or None)


# --- waits, and ends


def sequence(*actions: Action) -> Action:
    """One after the other: orders of their own would be carried out side by side."""
    return _made("sequence", actions=list(actions))


def gate(name: str) -> Action:
    """Until `Rogue.open(name)`."""
    return _made("gate", name=name)


def sleep_until_cancel() -> Action:
    """Until `session/cancel`; the actions after it are what is done about that."""
    return _made("sleep_until_cancel")


def hang() -> Action:
    """For ever, cancelled or not."""
    return _made("hang")


def ignore(event: str) -> Action:
    """From now on do nothing at `session/cancel`, `SIGTERM`, `EOF`, or any other event."""
    return _made("ignore", what=event)


def exit_(code: int = 0) -> Action:
    """End at once."""
    return _made("exit", code=code)


def kill_self() -> Action:
    """SIGKILL."""
    return _made("kill_self")


def freeze() -> Action:
    """SIGSTOP: alive, and only SIGKILL or SIGCONT does anything to it."""
    return _made("kill_self", by="SIGSTOP")


def close_stdout() -> Action:
    """Hang up, and live on."""
    return _made("close_stdout")


def close_stdin() -> Action:
    """Live on, with nobody at the other end of the client's writes."""
    return _made("close_stdin")


def stop_reading() -> Action:
    """Leave what the client writes in the pipe, until it is full."""
    return _made("stop_reading")


def spawn_child(
    *holds: str, ignores: tuple[str, ...] = ("SIGTERM", "SIGINT", "SIGHUP"), own_session: bool = False
) -> Action:
    """A child that keeps these of `stdin`, `stdout`, `stderr` open, and ignores these signals."""
    return _made("spawn_child", holds=list(holds), ignores=list(ignores), own_session=own_session)


def child_dies() -> Action:
    """The last child is killed."""
    return _made("child_dies")


# --- what nobody should say


def raw(data: bytes) -> Action:
    """Any bytes on stdout."""
    return _made("raw", base64=base64.b64encode(data).decode())


def send(message: object) -> Action:
    """Any JSON, as a line."""
    return _made("send", message=message)


def not_json() -> Action:
    """A line that is no JSON."""
    return raw(b"npm warn deprecated: this is no protocol\n")


def half_line() -> Action:
    """The beginning of a message, and no end of line."""
    return raw(b'{"jsonrpc":"2.0","method":"session/upd')


def array() -> Action:
    """A JSON-RPC batch, which ACP does not have."""
    return send([{"jsonrpc": "2.0", "id": 1, "result": {}}])


def bad_id(value: object) -> Action:
    """A response whose id is this: an object, a list, null, a fraction."""
    return send({"jsonrpc": "2.0", "id": value, "result": {}})


def orphan_response() -> Action:
    """A response to a request that nobody sent."""
    return send({"jsonrpc": "2.0", "id": 987_654_321, "result": {"stopReason": "end_turn"}})


def unknown_method(*, request_id: int | str | None = "unknown-1") -> Action:
    """A request that no client knows; without an id, a notification."""
    named = {} if request_id is None else {"id": request_id}
    return send({"jsonrpc": "2.0", **named, "method": "_future/method", "params": {}})


def unknown_update() -> Action:
    """A kind of update that nobody knows yet."""
    return update("from_the_future", {"content": {"type": "hologram"}})


def invalid_utf8() -> Action:
    """A message with bytes in it that are no UTF-8."""
    return raw(b'{"jsonrpc":"2.0","method":"session/update","params":{"x":"\xff\xfe\xc3\x28"}}\n')


def big_line(size: int, *, session: str = "rogue-1-1") -> Action:
    """A valid message with a text of `size` characters."""
    content = {"type": "text", "text": "|"}
    chunk = {"sessionUpdate": "agent_message_chunk", "messageId": "msg", "content": content}
    message = {
        "jsonrpc": "2.0",
        "method": "session/update",
        "params": {"sessionId": session, "update": chunk},
    }
    head, tail = json.dumps(message).split("|")
    return _made("big_line", head=head, size=size, tail=tail)


def big_junk(size: int) -> Action:
    """A line of `size` bytes that is no JSON."""
    return _made("big_line", head="", size=size, tail="")


def chunks(count: int, *, words: str = "chunk-{n} ", message: str = "msg") -> Action:
    """So many pieces of text, numbered from 0."""
    chunk = {"sessionUpdate": "agent_message_chunk", "messageId": message}
    return _made("flood", count=count, update={**chunk, "content": {"type": "text", "text": words}})


def flood(count: int) -> Action:
    """So many notifications of no interest."""
    status = {"codex": {"threadStatus": {"type": "active", "activeFlags": [], "n": "{n}"}}}
    return _made("flood", count=count, update={"sessionUpdate": "session_info_update", "_meta": status})


def flood_of_requests(count: int, *, size: int = 100) -> Action:
    """So many requests that no client knows."""
    return _made("flood_of_requests", count=count, size=size)


def late_update(session: str, words: str = "late") -> Action:
    """A piece of text for another session: an earlier one, or one that nobody opened."""
    return text(words, session=session)


def stderr(words: str, *, size: int | None = None, newline: bool = True) -> Action:
    """This on stderr, over and over up to `size` bytes."""
    return _made("stderr", text=words, size=size, newline=newline)
