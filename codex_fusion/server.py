"""The MCP server on stdio: serves until the client hangs up or a signal comes.

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

from codex_fusion import resource_handlers, stdin, stdout, tools
from codex_fusion.premises import Premises
from codex_fusion.tool_handlers import ToolHandlers

if TYPE_CHECKING:
    from codex_fusion.config import Config
    from codex_fusion.errors import ConfigurationError

LAST_WORDS_S = 1.0
"""How long a client that hung up may take to read what it was sent."""


async def _exit_on_signal(premises: Premises) -> None:
    """The first signal ends the agent's group, then this process by the same signal.

    Claude Code 2.1 follows SIGINT by SIGTERM after 100 ms and by SIGKILL after 500 ms more: the
    receiver stays open meanwhile, so a second signal can't interrupt the clean-up. The process then ends
    at once: leaving by the loop would wait for a client that does not read our last words.
    """
    if sys.platform == "win32":
        return  # signals can't be received there
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for number in received:
            await premises.close()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


async def serve(config: Config | None, problem: ConfigurationError | None) -> None:
    """Serve on stdin and stdout until the client hangs up or a signal comes."""
    async with anyio.create_task_group() as tasks:
        premises = Premises(config, problem, tasks)
        tasks.start_soon(_exit_on_signal, premises)
        try:
            await _serve_client(premises)
        except* (BrokenPipeError, ConnectionResetError):
            pass  # a client that went away is how serving ends, not an error
        tasks.cancel_scope.cancel()


def _are_beside_commands() -> bool:
    """Whether Claude Code has each prompt as the plugin's command: it would show all of them twice."""
    return os.path.isdir(f"{os.environ.get('CLAUDE_PLUGIN_ROOT', '')}/.claude-plugin/commands")  # noqa: PTH112


async def _serve_client(premises: Premises) -> None:
    calls, reads = ToolHandlers(premises), resource_handlers.ResourceHandlers(premises)
    prompts = not _are_beside_commands()
    server: Server[Any] = Server(
        "codex-fusion",
        version=version("codex-fusion"),
        title="Codex Fusion",
        instructions=tools.instructions(premises.config),
        on_list_tools=calls.list_tools,
        on_call_tool=calls.call_tool,
        on_list_resources=reads.list_resources,
        on_list_resource_templates=reads.list_templates,
        on_read_resource=reads.read_resource,
        on_completion=reads.complete,
        on_list_prompts=resource_handlers.list_prompts if prompts else None,
        on_get_prompt=resource_handlers.get_prompt if prompts else None,
    )
    if sys.platform == "win32":
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
        await premises.close()
        return
    lines = stdin.take()
    # mcp only iterates over the one, and writes to the other.
    streams = cast("tuple[anyio.AsyncFile[str], anyio.AsyncFile[str]]", (lines, stdout.take()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_see_off, premises, lines, tasks.cancel_scope)
        async with stdio_server(*streams) as (incoming, outgoing):
            try:
                await server.run(incoming, outgoing, server.create_initialization_options())
            finally:
                await premises.close()
        tasks.cancel_scope.cancel()


async def _see_off(premises: Premises, lines: stdin.Lines, serving: anyio.CancelScope) -> None:
    """When the client hangs up the agent ends, and soon the serving, whether what was written is read or not.

    Both streams of mcp's wait for the reader, its last words to each call for seconds.
    """
    await lines.ended.wait()
    serving.deadline = anyio.current_time() + LAST_WORDS_S
    await premises.close()
