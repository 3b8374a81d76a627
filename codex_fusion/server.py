"""The MCP face on stdio: the only module of the server that imports mcp.

It serves both protocol eras that mcp 2.3 knows. Nothing but the protocol goes to stdout.
"""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

from codex_fusion import render, tools
from codex_fusion.errors import ConfigurationError
from codex_fusion.progress import Progress
from codex_fusion.service import Reply, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from codex_fusion.config import Config
    from codex_fusion.workplace import Workplace

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TURN_ENDS_S = 0.1
"""On a signal: how long the turn that was ended may take to write its record."""


class _Reporter:
    """The viewer of one call: sends its progress, coalesced, with one rising counter."""

    def __init__(self, context: ServerRequestContext[Any]) -> None:
        self._context = context
        self._progress = Progress(anyio.current_time())
        self._news = anyio.Event()
        self._count = 0

    def show(self, line: str, doing: str) -> None:
        """Take a line; it goes out when it is due."""
        if not self._progress.waiting:
            self._news.set()
        self._progress.show(line, anyio.current_time())
        self._progress.doing = doing

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            with anyio.move_on_after(self._progress.due - anyio.current_time()):
                await self._news.wait()
                self._news = anyio.Event()
                continue
            await self._send(self._progress.take(anyio.current_time()))

    async def finish(self) -> None:
        """Send what was not sent yet: the last state is always told."""
        await self._send(self._progress.take(anyio.current_time(), final=True))

    async def _send(self, message: str | None) -> None:
        if message is not None:
            self._count += 1
            await self._context.session.report_progress(self._count, message=message)


class _Face:
    """The handlers of one server; `problem` is a configuration that can't be served."""

    def __init__(self, config: Config | None, problem: ConfigurationError | None) -> None:
        self._config = config
        self._problem = problem
        self.workplace: Workplace | None = None

    async def list_tools(
        self, _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tool.description,
                    input_schema=tools.input_schema(tool),
                    annotations=ToolAnnotations.model_validate(tools.hints(tool, self._config)),
                )
                for tool in tools.TOOLS
            ]
        )

    async def call_tool(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if self._problem is not None:
            return _result(refusal(self._problem))
        if self.workplace is None:  # pragma: no cover - the lifespan sets it before any call
            raise AssertionError
        reporter = _Reporter(context)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reporter.run)
            reply = await self._call(params, reporter)
            tasks.cancel_scope.cancel()
        await reporter.finish()
        return _result(reply)

    async def _call(self, params: CallToolRequestParams, reporter: _Reporter) -> Reply:
        if self.workplace is None:  # pragma: no cover - see call_tool
            raise AssertionError
        try:
            return await self.workplace.service.call(params.name, params.arguments, reporter)
        except Exception as error:  # noqa: BLE001 a client must read the reason, not "Error executing tool"
            self.workplace.bug(error)
            text = f"✗ A fault of codex-fusion's own: {type(error).__name__}: {error}\n→ Please report it with the server's stderr."
            return Reply((text,), is_error=True)


def _result(reply: Reply) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text) for text in reply.texts],
        is_error=reply.is_error,
        _meta={render.META_KEY: reply.turn} if reply.turn is not None else None,
    )


async def _exit_on_signal(face: _Face) -> None:
    """The first signal ends the agent's group, then this process by the same signal.

    Claude Code 2.1 follows SIGINT by SIGTERM after 100 ms and by SIGKILL after 500 ms more: the
    receiver stays open meanwhile, so a second signal can't interrupt the clean-up. mcp's stdio reads
    stdin in a thread that only ends with stdin itself, so leaving by the loop would hang.
    """
    with anyio.open_signal_receiver(*SIGNALS) as received:
        async for number in received:
            if face.workplace is not None:
                await face.workplace.close(turn_ends_s=TURN_ENDS_S)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


async def serve(config: Config | None, problem: ConfigurationError | None) -> None:
    """Serve on stdin and stdout until the client hangs up or a signal comes."""
    face = _Face(config, problem)

    @asynccontextmanager
    async def lifespan(_server: Server[None]) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_exit_on_signal, face)
            if config is not None:
                from codex_fusion.workplace import Workplace  # noqa: PLC0415 not needed to tell of a problem

                face.workplace = Workplace(config, dict(os.environ), tasks)
            try:
                yield
            finally:
                if face.workplace is not None:
                    await face.workplace.close(turn_ends_s=TURN_ENDS_S)
                tasks.cancel_scope.cancel()

    server: Server[None] = Server(
        "codex-fusion",
        version=version("codex-fusion"),
        title="Codex Fusion",
        instructions=tools.INSTRUCTIONS,
        lifespan=lifespan,
        on_list_tools=face.list_tools,
        on_call_tool=face.call_tool,
    )
    # A client that went away is how serving ends, not an error.
    with suppress(BrokenPipeError, ConnectionResetError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
