"""The MCP face on stdio: the only module of the server that imports mcp.

It serves both protocol eras that mcp 2.3 knows. Nothing but the protocol goes to stdout. A client waits
for our start: what only a call needs is imported by the first one.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

from codex_fusion import stdin, tools
from codex_fusion.reporter import Reporter

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from codex_fusion.config import Config
    from codex_fusion.errors import ConfigurationError
    from codex_fusion.service import Reply
    from codex_fusion.workplace import Workplace

RESULT_SIZE: dict[str, Any] = {"anthropic/maxResultSizeChars": 500_000}
"""Claude Code 2.1 shows the model 50,000 characters of a result, unless the tool declares more."""
TURN_ENDS_S = 0.3
"""At the server's end: how long its turn may take to clean up and write its record."""


class _Face:
    """The handlers of one server; `problem` is a configuration that can't be served."""

    def __init__(self, config: Config | None, problem: ConfigurationError | None, tasks: TaskGroup) -> None:
        self._config = config
        self._problem = problem
        self._tasks = tasks
        self._workplace: Workplace | None = None

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
                    _meta=RESULT_SIZE if tool.answers else None,
                    annotations=ToolAnnotations.model_validate(tools.hints(tool, self._config)),
                )
                for tool in tools.TOOLS
            ]
        )

    async def call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        from codex_fusion.service import refusal

        if self._problem is not None:
            return _result(refusal(self._problem))

        async def send(count: int, message: str) -> None:
            await context.session.report_progress(count, message=message)

        reporter = Reporter(send)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reporter.run)
            reply = await self._open().call(params.name, params.arguments, reporter)
            reporter.finish()
        return _result(reply)

    async def close(self) -> None:
        """End the agent, if there is one. Bounded, and shielded where it matters."""
        if self._workplace is not None:
            await self._workplace.close(turn_ends_s=TURN_ENDS_S)

    def _open(self) -> Workplace:
        if self._workplace is None:
            from codex_fusion.workplace import Workplace

            if self._config is None:  # pragma: no cover - there is a problem then
                raise AssertionError
            self._workplace = Workplace(self._config, dict(os.environ), self._tasks)
        return self._workplace


def _result(reply: Reply) -> CallToolResult:
    from codex_fusion.render import META_KEY

    return CallToolResult(
        content=[TextContent(type="text", text=text) for text in reply.texts],
        is_error=reply.is_error,
        _meta={META_KEY: reply.turn} if reply.turn is not None else None,
    )


async def _exit_on_signal(face: _Face) -> None:
    """The first signal ends the agent's group, then this process by the same signal.

    Claude Code 2.1 follows SIGINT by SIGTERM after 100 ms and by SIGKILL after 500 ms more: the
    receiver stays open meanwhile, so a second signal can't interrupt the clean-up. The process then ends
    at once: leaving by the loop would wait for a client that does not read our last words.
    """
    if sys.platform == "win32":
        return  # signals can't be received there
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for number in received:
            await face.close()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


async def serve(config: Config | None, problem: ConfigurationError | None) -> None:
    """Serve on stdin and stdout until the client hangs up or a signal comes."""
    async with anyio.create_task_group() as tasks:
        face = _Face(config, problem, tasks)
        tasks.start_soon(_exit_on_signal, face)
        try:
            await _serve_client(face)
        except* (BrokenPipeError, ConnectionResetError):
            pass  # a client that went away is how serving ends, not an error
        tasks.cancel_scope.cancel()


async def _serve_client(face: _Face) -> None:
    server: Server[Any] = Server(
        "codex-fusion",
        version=version("codex-fusion"),
        title="Codex Fusion",
        instructions=tools.INSTRUCTIONS,
        on_list_tools=face.list_tools,
        on_call_tool=face.call_tool,
    )
    # mcp only iterates over it.
    lines = cast("anyio.AsyncFile[str]", stdin.take()) if sys.platform != "win32" else None
    async with stdio_server(lines) as (reads, writes):
        try:
            await server.run(reads, writes, server.create_initialization_options())
        finally:
            # Before the streams are closed: that waits for a client that does not read.
            await face.close()
