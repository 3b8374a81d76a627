"""The server as a client starts it, over stdio, on a workspace and a home of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from codex_fusion.render import META_KEY
from tests.support.real_agent import cache_folder
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from mcp.client.client import ConnectMode

    from tests.support.scripted_model import ScriptedModel


@dataclass(frozen=True)
class Result:
    """What a tool call came to, as the client got it."""

    text: str
    is_error: bool
    meta: dict[str, Any]
    progress: list[str]
    counters: list[float]
    raw: Any = field(repr=False)

    @property
    def status(self) -> str:
        return str(self.meta.get("status"))

    @property
    def requests(self) -> list[str]:
        return [r["id"] for r in self.meta["requests"]]


@dataclass
class Bench:
    """A connected client. `call` never waits longer than the tests' limit."""

    client: Client
    stderr: Path

    async def call(self, tool: str, **arguments: object) -> Result:
        return await Call(self, tool, arguments).run()


class Call:
    """One call whose progress can be watched while it runs."""

    def __init__(self, bench: Bench, tool: str, arguments: Mapping[str, object]) -> None:
        self._bench = bench
        self._tool = tool
        self._arguments = dict(arguments)
        self.progress: list[str] = []
        self._counters: list[float] = []
        self._result: Result | None = None
        self._news = anyio.Event()

    async def _on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        self._counters.append(progress)
        self.progress.append(message or "")
        self._news.set()
        self._news = anyio.Event()

    async def seen(self, text: str) -> None:
        """Wait until some progress holds the text."""
        with anyio.fail_after(LIMIT_S):
            while not any(text in message for message in self.progress):
                assert self._result is None, f"It ended without: {self._result}"
                await self._news.wait()

    async def run(self) -> Result:
        try:
            self._result = await self._run()
        finally:
            self._news.set()
        return self._result

    async def _run(self) -> Result:
        with anyio.fail_after(LIMIT_S):
            result = await self._bench.client.call_tool(
                self._tool, self._arguments, progress_callback=self._on_progress
            )
        assert result.structured_content is None
        texts = [block.text for block in result.content if block.type == "text"]
        meta = (result.meta or {}).get(META_KEY, {})
        return Result("\n".join(texts), result.is_error, meta, self.progress, self._counters, result)


@asynccontextmanager
async def serving(
    workspace: Path, env: Mapping[str, str], *, mode: ConnectMode = "auto", log: Path | None = None
) -> AsyncIterator[Bench]:
    """Start the server in `workspace` with `env`, and connect to it."""
    stderr = log or workspace.parent / f"server-{uuid.uuid4().hex[:8]}.log"
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "codex_fusion.cli", "serve"], env=dict(env), cwd=workspace
    )
    with stderr.open("w") as errlog:
        async with Client(stdio_client(server, errlog=errlog), mode=mode, cache=None) as client:
            yield Bench(client, stderr)


@contextmanager
def home() -> Iterator[Path]:
    """An empty home folder, outside the temp dir: Codex warns of a CODEX_HOME that lies in it."""
    folder = cache_folder(os.environ) / "homes" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def model_environment(model: ScriptedModel, folder: Path, command: Path) -> dict[str, str]:
    """What makes the real Codex work without an account: the scripted model, and a home of its own."""
    codex_home = folder / ".codex"
    codex_home.mkdir(exist_ok=True)
    provider = {"name": "mock", "base_url": model.url, "wire_api": "responses", "requires_openai_auth": False}
    config = {"model": "gpt-5.5", "model_provider": "mock", "model_providers": {"mock": provider}}
    return {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_DATA_HOME": str(folder / "data"),
        "CODEX_HOME": str(codex_home),
        "CODEX_CONFIG": json.dumps(config),
        "MODEL_PROVIDER": "mock",
        "NO_BROWSER": "1",
        "CODEX_FUSION_ACP_COMMAND": f"'{command}'",
    }
