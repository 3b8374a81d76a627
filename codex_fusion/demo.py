"""`codex-fusion demo`: a whole debate, without any account.

The server is started as a client would start it, on a workspace of its own; only Codex is played, by
`scripted_agent`. Everything that is printed came over the protocol.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from codex_fusion.scripted_agent import COUNTER, QUESTION
from codex_fusion.terminal import Tone, screen

if TYPE_CHECKING:
    from codex_fusion.terminal import Screen

PACE_S = 0.02
"""Seconds per word that the scripted agent takes, so that streaming can be seen."""


async def demo(out: TextIO = sys.stdout, pace_s: float = PACE_S) -> int:
    """Run the demonstration; returns the exit code."""
    return await play(screen(out), pace_s)


async def play(shown: Screen, pace_s: float) -> int:
    """Run it on a screen; returns the exit code."""
    shown.say("codex-fusion demo: Claude asks, Codex answers, they debate, Claude decides.", Tone.HEAD)
    shown.say("Codex is played by a small script here; the server and the protocol are the real ones.\n")
    with tempfile.TemporaryDirectory(prefix="codex-fusion-demo-", ignore_cleanup_errors=True) as folder:
        workspace = Path(folder)
        agent = f"'{sys.executable}' -m codex_fusion.scripted_agent --pace {pace_s}"
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "codex_fusion.cli", "serve"],
            env={
                "CODEX_FUSION_WORKSPACE": str(workspace),
                "CODEX_FUSION_ACP_COMMAND": agent,
                # The script has no sandbox that could be verified, and touches nothing.
                "CODEX_FUSION_CONFINEMENT": "agent",
                # And its debate is none of the user's.
                "XDG_STATE_HOME": str(workspace / ".state"),
            },
            cwd=workspace,
        )
        try:
            with (workspace / "server.log").open("w") as log:
                async with Client(stdio_client(server, errlog=log)) as client:
                    await _debate(client, shown)
        finally:
            shown.forget()
    shown.say("That was the server at work. With the real Codex: README.md, “Install into Claude Code”.")
    return 0


async def _debate(client: Client, shown: Screen) -> None:
    await _call(client, shown, "consult", question=QUESTION)
    await _call(client, shown, "permit", decision="allow", note="The tests only write their own cache.")
    await _call(client, shown, "reply", message=COUNTER)
    await _call(client, shown, "status")


async def _call(client: Client, shown: Screen, tool: str, **arguments: str) -> None:
    given = ", ".join(f'{name}="{value}"' for name, value in arguments.items())
    shown.say(f"{tool}({given})", lead="▶ Claude calls ", lead_tone=Tone.HEAD)

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        del progress, total  # mcp calls it with these names
        await shown.progress(message or "")

    result = await client.call_tool(tool, dict(arguments), progress_callback=progress)
    for block in result.content:
        if block.type == "text":
            status = tool == "status"
            shown.block(block.text, "the server" if status else "Codex", markdown=not status)
    shown.say()
    if result.is_error:
        raise SystemExit(f"the demonstration's {tool} failed")
