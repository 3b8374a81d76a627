"""The plugin's server as Claude Code starts it, where it can't be installed. For where it can: conftest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.conftest import ROOT
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

HOOK = ROOT / "hooks" / "start_server.py"


def talk(environment: dict[str, str], cwd: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Start it, send requests, close its stdin; what it answered."""
    lines = (json.dumps({"jsonrpc": "2.0", "id": number} | r) for number, r in enumerate(requests))
    done = subprocess.run(
        [sys.executable, "-I", str(HOOK)],
        input="\n".join(lines) + "\n",
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip finds nothing to install."""
    data = {"CLAUDE_PLUGIN_DATA": str(tmp_path / "data"), "HOME": str(tmp_path), "PATH": os.defpath}
    return data | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def test_an_installation_that_fails_is_told_through_mcp(nowhere: dict[str, str], tmp_path: Path) -> None:
    hello = {"method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
    discover, listing = {"method": "server/discover"}, {"method": "tools/list"}
    call = {"method": "tools/call", "params": {"name": "status"}}
    unknown, opened, listed, called = talk(nowhere, tmp_path, discover, hello, listing, call)
    assert unknown["error"]["code"] == -32601
    assert opened["result"]["protocolVersion"] == "2025-06-18"
    assert "codex-fusion could not be installed" in opened["result"]["instructions"]
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["status"]
    said = called["result"]["content"][0]["text"]
    assert called["result"]["isError"]
    assert "hatchling" in said  # pip's own words
    assert "→ Check the network" in said


def test_what_failed_leaves_no_half_of_it(nowhere: dict[str, str], tmp_path: Path) -> None:
    talk(nowhere, tmp_path, {"method": "ping"})
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["installing.lock"]


def test_the_workspace_can_not_slip_its_own_code_in(nowhere: dict[str, str], tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("venv.py", "pip.py", "json.py", "codex_fusion.py", "uv", "python3"):
        file = workspace / name
        file.write_text("#!/bin/sh\n''':'\ntouch was-run\nexit\n'''\nopen('was-run', 'w')\n")
        file.chmod(0o755)
    nowhere["PATH"] = f".:{nowhere['PATH']}"
    nowhere["PYTHONPATH"] = "."
    talk(nowhere, workspace, {"method": "ping"})
    assert not (workspace / "was-run").exists()


def test_without_a_folder_for_data_it_says_how_it_is_meant_to_be_started(tmp_path: Path) -> None:
    [called] = talk({"PATH": os.defpath}, tmp_path, {"method": "tools/call", "params": {"name": "status"}})
    assert "Install this as a plugin" in called["result"]["content"][0]["text"]
