"""The ACP client: one agent process, spoken to through the acp library. Nobody else imports acp.

Two things are done on the raw messages, because the library's models would hide them: updates and
requests are read by `wire` (a malformed field must stay visible to the guardian), and a request's
JSON-RPC id is kept, so that the agent can take it back.

A sink belongs to one prompt. What arrives for a session without one reaches nobody, and a
permission request among it is answered as cancelled.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
from acp import PROTOCOL_VERSION, RequestError, schema
from acp.connection import Connection

from codex_fusion import frames, wire
from codex_fusion.announced import Announced, size_of_request
from codex_fusion.errors import AgentError, AgentGoneError, AgentStartError
from codex_fusion.events import Asking, Broken, ModeChanged, TakenBack, ToolUpdate
from codex_fusion.scrub import scrub

if TYPE_CHECKING:
    from pydantic import BaseModel

    from codex_fusion.events import Incoming, Sink
    from codex_fusion.process import Child

_KEPT_ID = "codex-fusion/request-id"
"""Where the transport leaves a request's id for the handler: acp 0.12 does not pass it on."""
_AUTH_REQUIRED = -32000
_OPT_IN = {"jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}}}
"""codex-acp 2.6.0: with this a failed turn says so, and a request brings Codex's own reason."""
_NOTICES: dict[str, Any] = {"session": {"notices": {}}}
"""With this codex-acp 2.6.0 sends its own warnings apart from Codex's answer. Newer than acp 0.12."""
_OPEN_LIMIT = 1_000
_OPEN_SIZE = 16_000_000
"""Permission requests that may be open at once, and characters of them all; more are cancelled at once."""
_UNSENT = 100
"""Messages that may wait for an agent to read them, before nothing more is read from it."""
_CLOSE_S = 5.0
"""How long an agent may take to let go of a session. Nobody waits for that; it only bounds the task."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A permission request that has no answer yet."""

    wire_id: object
    sink: Sink
    answer: asyncio.Future[str | None]
    size: int


class _Transport:
    """acp's transport over our own child process: whatever is no usable message is skipped."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._sending = asyncio.Lock()
        self._unsent = 0
        self._room = asyncio.Event()
        self.skipped = 0

    async def send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self._unsent += 1
        try:
            async with self._sending:
                await self._child.send(line)
        except AgentGoneError:
            # An answer that nobody reads any more; the library would log it as a fault of ours.
            if "method" in message:
                raise
        finally:
            self._unsent -= 1
            self._room.set()

    async def receive(self) -> dict[str, Any] | None:
        # Each message becomes a task of the connection's: without this checkpoint a flood would
        # pile them up before the first one runs.
        await asyncio.sleep(0)
        # Nor may requests pile up that an agent makes and whose answers it does not read.
        while self._unsent >= _UNSENT:
            self._room.clear()
            await self._room.wait()
        while (line := await self._child.receive()) is not None:
            message = frames.read_message(line)
            if message is not None:
                if message.get("method") == "session/request_permission" and isinstance(
                    params := message.get("params"), dict
                ):
                    params[_KEPT_ID] = message.get("id")
                return message
            self.skipped += 1
        return None

    async def close(self) -> None:
        """Nothing: the child is ended by its owner, always before the connection is closed."""


class Agent:
    """A running agent. Make one with `start`; end it with `kill`, whatever happened to it."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._transport = _Transport(child)
        self._connection = Connection(self._handle, self._transport)
        self._sinks: dict[str, Sink] = {}
        self._tools: dict[str, Announced] = {}
        self._open: dict[int, _Open] = {}
        self._keys = 0
        self._background: set[asyncio.Task[None]] = set()
        self._killed = False
        self._sessions: set[str] = set()
        self.modes: dict[str, str] = {}
        """The mode that the agent last reported for each session that was opened."""
        self.report = wire.AgentReport("", "", frozenset())

    @classmethod
    async def start(cls, child: Child) -> Agent:
        """Shake hands with the agent that runs in `child`.

        :raises AgentStartError: if it ends or refuses; the caller bounds the time, and then kills.
        """
        agent = cls(child)
        request = schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(field_meta=_OPT_IN),
            client_info=schema.Implementation(name="codex-fusion", version=version("codex-fusion")),
        )
        try:
            body = _json(request)
            body["clientCapabilities"] |= _NOTICES
            agent.report = wire.read_initialize(await agent._request("initialize", body))
        except BaseException:
            await agent.kill()
            raise
        return agent

    @property
    def usable(self) -> bool:
        """May the next prompt go to it? Derived from the process, not remembered."""
        return not self._killed and self._child.alive and not self._connection._disconnected  # noqa: SLF001 acp 0.12 has no public word for it

    @property
    def stderr(self) -> str:
        """The tail of what it wrote to stderr."""
        return self._child.stderr_tail

    @property
    def returncode(self) -> int | None:
        """The process's exit code; None while it runs."""
        return self._child.returncode

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        return self._child.pid

    @property
    def skipped(self) -> int:
        """How many lines from the agent were no usable message."""
        return self._transport.skipped

    async def open_session(self, cwd: str) -> wire.SessionReport:
        """Open a session and return what the agent reports of it.

        :raises AgentStartError: if the agent refuses (not logged in, a broken configuration) or ends.
        """
        request = schema.NewSessionRequest(cwd=cwd, mcp_servers=[])
        report = wire.read_session(await self._request("session/new", request))
        if report.session_id is None:
            msg = "The agent opened a session without an id."
            raise AgentStartError(
                msg, "Check CODEX_FUSION_ACP_COMMAND: it must be an ACP agent.", self.stderr
            )
        self._sessions.add(report.session_id)
        if report.mode is not None:
            self.modes[report.session_id] = report.mode
        return report

    async def set_mode(self, session_id: str, mode: str) -> None:
        """Ask for a mode. What the agent then reports stands in `modes`.

        :raises AgentStartError: if the agent refuses.
        """
        request = schema.SetSessionModeRequest(session_id=session_id, mode_id=mode)
        await self._request("session/set_mode", request)

    def mode(self, session_id: str) -> str | None:
        """The mode that it last reported for the session; None if it reported none."""
        return self.modes.get(session_id)

    def prompt(self, session_id: str, text: str, sink: Sink) -> None:
        """Send a prompt. `sink` gets everything until its `PromptResult` or `Broken`, then nothing."""
        self._sinks[session_id] = sink
        self._tools.setdefault(session_id, Announced())
        self._in_background(self._prompt(session_id, text, sink))

    def cancel(self, session_id: str) -> None:
        """Send `session/cancel`; a broken pipe shows in the prompt's own end."""
        self._notify("session/cancel", schema.CancelNotification(session_id=session_id))

    def end_commands(self) -> None:
        """End the commands that it still runs: `session/cancel` leaves them running."""
        if not self._killed:
            self._child.end_commands()

    def close_session(self, session_id: str) -> None:
        """Let go of a session; asked of the agent only where it offers that, and not waited for."""
        self._sinks.pop(session_id, None)
        self._tools.pop(session_id, None)
        self._sessions.discard(session_id)
        self.modes.pop(session_id, None)
        if "close" in self.report.capabilities and self.usable:
            self._in_background(self._close_session(session_id))

    def answer(self, key: int, option: str | None) -> None:
        """The one answer to a permission request: an option's id, or None for "cancelled"."""
        request = self._open.pop(key, None)
        if request is not None and not request.answer.done():
            request.answer.set_result(option)

    async def kill(self) -> None:
        """End the process group, then the connection. Bounded, shielded, may be called twice."""
        self._killed = True
        with anyio.CancelScope(shield=True):
            # First the process: the connection's close would wait for a child that ignores its pipe.
            await self._child.kill()
            ended = AgentGoneError("The agent was ended.", "Call again: it is started anew.", self.stderr)
            for sink in tuple(self._sinks.values()):
                sink(Broken(ended))
            self._sinks.clear()
            for task in tuple(self._background):
                task.cancel()
            with anyio.move_on_after(1.0):
                await self._connection.close()

    # Requests to the agent

    async def _request(self, method: str, params: BaseModel | dict[str, Any]) -> Any:  # noqa: ANN401 JSON
        body = params if isinstance(params, dict) else _json(params)
        try:
            return await self._connection.send_request(method, body)
        except RequestError as error:
            raise self._refused(method, error) from error
        except (ConnectionError, OSError, AgentGoneError) as error:
            raise await self._gone(f"while it was asked for {method}") from error

    def _refused(self, method: str, error: RequestError) -> AgentStartError:
        if error.code == _AUTH_REQUIRED:
            return AgentStartError(
                "Codex is not logged in (the agent says: authentication required).",
                "Run `codex login` in a terminal (for a key: with `--with-api-key`), then call again.",
            )
        # Scrubbed before it is cut: half a key has no known shape.
        details = f": {scrub(json.dumps(error.data, ensure_ascii=False))[:500]}" if error.data else ""
        remedy = ""
        if method == "session/new":
            remedy = (
                "Its last words may tell why; a `config.toml` of Codex that is not valid is a common reason."
            )
        return AgentStartError(f"The agent refused {method}: {error}{details}", remedy, self.stderr)

    async def _gone(self, when: str) -> AgentGoneError:
        # Its end of the pipe closes a moment before the process is reaped: wait for the exit code.
        with anyio.move_on_after(0.2):
            await self._child.wait()
        code = self._child.returncode
        how = "closed its connection" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        return AgentGoneError(f"The agent {how} {when}.", "Call again: it is started anew.", self.stderr)

    async def _prompt(self, session_id: str, text: str, sink: Sink) -> None:
        block = schema.TextContentBlock(type="text", text=text)
        request = schema.PromptRequest(session_id=session_id, prompt=[block])
        try:
            result: Incoming = wire.read_prompt_result(await self._request("session/prompt", request))
        except AgentError as error:
            result = Broken(error)
        finally:
            if self._sinks.get(session_id) is sink:
                del self._sinks[session_id]
        sink(result)

    async def _close_session(self, session_id: str) -> None:
        with suppress(AgentError), anyio.move_on_after(_CLOSE_S):
            await self._request("session/close", schema.CloseSessionRequest(session_id=session_id))

    def _notify(self, method: str, params: BaseModel) -> None:
        body = _json(params)

        async def send() -> None:
            with suppress(ConnectionError, OSError, AgentGoneError):
                await self._connection.send_notification(method, body)

        self._in_background(send())

    def _in_background(self, work: Any) -> None:  # noqa: ANN401 a coroutine of any kind
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Messages from the agent

    async def _handle(self, method: str, params: Any, is_notification: bool) -> Any:  # noqa: ANN401, FBT001 acp's signature
        if method == "session/update":
            # Nothing is awaited here: that is what keeps updates in order.
            self._updated(params)
            return None
        if method == "$/cancel_request" and isinstance(params, dict):
            self._taken_back(params.get("requestId"))
            return None
        if method == "session/request_permission" and not is_notification:
            return {"outcome": await self._asked(params if isinstance(params, dict) else {})}
        if is_notification:
            return None
        raise RequestError.method_not_found(method)

    def _updated(self, params: object) -> None:
        session_id, update = wire.read_update(params)
        if update is None:
            return
        if isinstance(update, ModeChanged) and session_id in self._sessions:
            self.modes[session_id] = update.mode
        elif isinstance(update, ToolUpdate) and (tools := self._tools.get(session_id)) is not None:
            tools.add(update.tool)
        sink = self._sinks.get(session_id)
        if sink is not None:
            sink(update)

    def _taken_back(self, wire_id: object) -> None:
        for key, request in tuple(self._open.items()):
            # True and 1.0 are equal to 1, and are no ids.
            if type(request.wire_id) is type(wire_id) and request.wire_id == wire_id:
                request.sink(TakenBack(key))

    async def _asked(self, params: dict[str, Any]) -> dict[str, Any]:
        wire_id = params.pop(_KEPT_ID, None)
        session_id = params.get("sessionId")
        tools = self._tools.get(session_id) if isinstance(session_id, str) else None
        request = wire.read_permission(params, {} if tools is None else tools.calls)
        sink = self._sinks.get(request.session_id)
        size = size_of_request(request)
        if sink is None or not self._has_room(size):
            return {"outcome": "cancelled"}
        self._keys += 1
        key = self._keys
        self._open[key] = _Open(wire_id, sink, asyncio.get_running_loop().create_future(), size)
        answer = self._open[key].answer
        try:
            sink(Asking(key, request))
            option = await answer
        finally:
            self._open.pop(key, None)
        if option is None:
            return {"outcome": "cancelled"}
        return {"outcome": "selected", "optionId": option}

    def _has_room(self, size: int) -> bool:
        taken = sum(request.size for request in self._open.values())
        # A single large one can always be asked.
        return not self._open or (len(self._open) < _OPEN_LIMIT and taken + size <= _OPEN_SIZE)


def _json(params: BaseModel) -> dict[str, Any]:
    return params.model_dump(mode="json", by_alias=True, exclude_none=True)
