"""A bare ACP client for the guardian's tests: it starts the real agent exactly as a plan says, and no more.

None of the server's own ACP code is used, so that what it reports is what the agent did.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ANSWER_LIMIT_S = 60.0
LINE_LIMIT = 1 << 26
OPT_IN = {"jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}}}

Request = dict[str, Any]


def choosing(kind: str) -> Callable[[Request], str]:
    """An answer for every permission request: the first option of that kind."""

    def choose(request: Request) -> str:
        return next(str(o["optionId"]) for o in request["options"] if o["kind"] == kind)

    return choose


ALLOW = choosing("allow_once")
REJECT = choosing("reject_once")


class BareClient:
    """The agent's process and connection, for the length of an `async with`."""

    def __init__(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: Path) -> None:
        self._argv = argv
        self._environment = environment
        self._cwd = cwd
        self._next = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.stderr = ""
        self.asked: list[Request] = []
        self.answer: Callable[[Request], str] = REJECT

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=dict(self._environment),
            cwd=self._cwd,
            limit=LINE_LIMIT,
            start_new_session=True,
        )
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._drain())]
        capabilities = {"fs": {"readTextFile": False, "writeTextFile": False}, "_meta": OPT_IN}
        await self.call("initialize", {"protocolVersion": 1, "clientCapabilities": capabilities})
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The whole answer, `result` or `error`."""
        self._next += 1
        answer = self._answers[self._next] = asyncio.get_running_loop().create_future()
        self._send({"id": self._next, "method": method, "params": params})
        return await asyncio.wait_for(answer, ANSWER_LIMIT_S)

    async def open(self, method: str, **params: str) -> tuple[str, str | None]:
        """Open a session: its id, and the mode that the agent reports for it."""
        answer = await self.call(f"session/{method}", {"mcpServers": [], **params})
        result = answer.get("result")
        assert isinstance(result, dict), (answer, self.stderr[-2000:])
        modes = [o["currentValue"] for o in result.get("configOptions", []) if o["id"] == "mode"]
        return result.get("sessionId", params.get("sessionId", "")), modes[0] if modes else None

    async def prompt(self, session: str, text: str = "go on") -> str:
        """The stop reason of one turn."""
        content = [{"type": "text", "text": text}]
        answer = await self.call("session/prompt", {"sessionId": session, "prompt": content})
        assert "result" in answer, (answer, self.stderr[-2000:])
        return str(answer["result"]["stopReason"])

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if message.get("method") == "session/request_permission":
                self.asked.append(message["params"])
                outcome = {"outcome": "selected", "optionId": self.answer(message["params"])}
                self._send({"id": message["id"], "result": {"outcome": outcome}})
            elif "method" not in message and (waiting := self._answers.pop(message.get("id"), None)):
                waiting.set_result(message)
        for waiting in self._answers.values():
            waiting.set_exception(ConnectionError(f"the agent went away: {self.stderr[-2000:]}"))

    async def _drain(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.stderr += line.decode(errors="replace")
