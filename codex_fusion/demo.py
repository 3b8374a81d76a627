"""`codex-fusion demo`: a whole debate, without any account.

The server is started as a client would start it, on a workspace of its own; only Codex is played, by
`scripted_agent`. Everything that is printed came over the protocol.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TextIO

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from codex_fusion.scripted_agent import COUNTER, QUESTION

PACE_S = 0.02
"""Seconds per word that the scripted agent takes, so that streaming can be seen."""
WIDTH = 100


class Stage:
    """Where the demonstration is shown: a live line on a terminal, plain lines in a pipe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._width = min(WIDTH, shutil.get_terminal_size().columns) if self._live else WIDTH
        self._last = ""

    def say(self, text: str = "") -> None:
        """Print lines that stay."""
        self._clear()
        self._write(text)

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Show one progress message. Running text replaces itself, as in a client; a pipe gets its end."""
        del progress, total  # mcp calls it with these names
        for line in (message or "").splitlines():
            if line.startswith("↳"):
                self.say(f"   {line}")
            elif self._live:
                self._clear()
                self._last = f"   {line}"[: self._width - 1]
                self._out.write(self._last)
                self._out.flush()
            else:
                self._last = f"   {line}"

    def _write(self, text: str) -> None:
        for line in text.splitlines() or [""]:
            hang = " │ " if line.startswith(" │ ") else "     "
            wrapped = textwrap.wrap(line, self._width, subsequent_indent=hang, break_on_hyphens=False)
            self._out.write("\n".join(wrapped or [""]) + "\n")
        self._out.flush()

    def _clear(self) -> None:
        if self._live and self._last:
            self._out.write("\r\x1b[2K")
        elif self._last:
            self._write(self._last)
        self._last = ""


async def demo(out: TextIO = sys.stdout, pace_s: float = PACE_S) -> int:
    """Run the demonstration; returns the exit code."""
    stage = Stage(out)
    stage.say("codex-fusion demo: Claude asks, Codex answers, they debate, Claude decides.")
    stage.say("Codex is played by a small script here; the server and the protocol are the real ones.\n")
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
            },
            cwd=workspace,
        )
        with (workspace / "server.log").open("w") as log:
            async with Client(stdio_client(server, errlog=log)) as client:
                await _debate(client, stage)
    stage.say("\nThat was the server at work. With the real Codex, see README.md: it takes two commands.")
    return 0


async def _debate(client: Client, stage: Stage) -> None:
    await _call(client, stage, "consult", question=QUESTION)
    await _call(client, stage, "permit", decision="allow", note="The tests only write their own cache.")
    await _call(client, stage, "reply", message=COUNTER)
    await _call(client, stage, "status")


async def _call(client: Client, stage: Stage, tool: str, **arguments: str) -> None:
    shown = ", ".join(f'{name}="{value}"' for name, value in arguments.items())
    stage.say(f"▶ Claude calls {tool}({shown})")
    result = await client.call_tool(tool, dict(arguments), progress_callback=stage.progress)
    for block in result.content:
        if block.type == "text":
            stage.say(textwrap.indent(block.text, " │ ", lambda _line: True))
    stage.say()
    if result.is_error:
        msg = f"the demonstration's {tool} failed"
        raise SystemExit(msg)
