"""MCP Inspector's command line against the installed `codex-fusion`, in both protocol eras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion import mcp_prompts, tools
from tests.support.npm import installed, node
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "2.12.0"
SERVER = Path(sys.executable).with_name("codex-fusion")
ERAS = ("legacy", "modern")


@dataclass(frozen=True)
class Inspector:
    """Each command starts the server anew."""

    program: Path
    folder: Path

    def ask(self, method: str, *arguments: str) -> dict[str, Any]:
        """The result, if it came without a warning or any other word."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(
            (node(), self.program, "--cli", SERVER, "--method", method, *arguments),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@pytest.fixture
def inspector(tmp_path: Path) -> Inspector:
    program = installed("@modelcontextprotocol/inspector", VERSION, "clients/launcher/build/index.js")
    return Inspector(program, tmp_path)


def names(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


@pytest.mark.parametrize("era", ERAS)
def test_it_finds_the_tools_portable_and_calls_one(inspector: Inspector, era: str) -> None:
    # `--strict` fails for a schema that some client could stumble over.
    listed = inspector.ask("tools/list", "--strict", "--protocol-era", era)
    assert names(listed["tools"]) == [tool.name for tool in tools.TOOLS]
    status = inspector.ask("tools/call", "--tool-name", "status", "--protocol-era", era)
    assert not status["isError"]
    assert status["content"][0]["text"].startswith(f"workspace: {inspector.folder}\n")


def test_it_reads_what_the_server_offers_beside_its_tools(inspector: Inspector) -> None:
    listed = inspector.ask("resources/list")
    assert {"fusion://debates", "fusion://status"} <= {entry["uri"] for entry in listed["resources"]}
    status = inspector.ask("resources/read", "--uri", "fusion://status")
    assert str(inspector.folder) in status["contents"][0]["text"]
    offered = names(inspector.ask("prompts/list")["prompts"])
    assert offered == [prompt.name for prompt in mcp_prompts.PROMPTS]
    got = inspector.ask("prompts/get", "--prompt-name", "ask", "--prompt-args", "question=Why?")
    assert "Ask Codex: Why?" in got["messages"][0]["content"]["text"]
