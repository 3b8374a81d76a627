"""The plugin's server as Claude Code starts it, where it can't be installed. For where it can: conftest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.conftest import ROOT
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

START = ROOT / "hooks" / "start_server.py"
INITIALIZE = {"method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
STATUS = {"method": "tools/call", "params": {"name": "status"}}
REQUESTS = ({"method": "server/discover"}, INITIALIZE, {"method": "tools/list"}, STATUS)
A_SCRIPT_AND_A_MODULE = "#!/bin/sh\n''':'\ntouch was-run\nexit\n'''\nopen('was-run', 'w')\n"


def talk(environment: dict[str, str], cwd: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Start it, send requests, close its stdin; what it answered."""
    lines = (json.dumps({"jsonrpc": "2.0", "id": number} | r) for number, r in enumerate(requests))
    done = subprocess.run(
        [sys.executable, "-I", str(START)],
        input="\n".join(lines) + "\n",
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True)
class Failed:
    """What came of a start in a hostile workspace, where pip has nothing to install from."""

    data: Path
    workspace: Path
    answers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    home = tmp_path_factory.mktemp("home")
    workspace = tmp_path_factory.mktemp("workspace")
    for name in ("venv.py", "pip.py", "json.py", "subprocess.py", "uv", "python3"):
        (workspace / name).write_text(A_SCRIPT_AND_A_MODULE)
        (workspace / name).chmod(0o755)
    environment = {
        "CLAUDE_PLUGIN_DATA": str(home / "data"),
        "HOME": str(home),
        "PATH": f".:{os.defpath}",
        "PYTHONPATH": ".",
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    return Failed(home / "data", workspace, talk(environment, workspace, *REQUESTS))


def test_an_installation_that_fails_is_told_through_mcp(failed: Failed) -> None:
    unknown, opened, listed, called = failed.answers
    assert unknown["error"]["code"] == -32601
    assert opened["result"]["protocolVersion"] == "2025-06-18"
    assert "codex-fusion could not be installed" in opened["result"]["instructions"]
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["status"]
    assert called["result"]["isError"]
    said = called["result"]["content"][0]["text"]
    assert "hatchling" in said  # pip's own words
    assert "→ Check the network" in said


def test_what_failed_leaves_no_half_of_it(failed: Failed) -> None:
    assert [file.name for file in failed.data.iterdir()] == ["installing.lock"]


def test_the_workspace_slips_no_code_of_its_own_in(failed: Failed) -> None:
    assert not (failed.workspace / "was-run").exists()


def test_without_a_folder_for_data_it_says_how_it_is_meant_to_be_started(tmp_path: Path) -> None:
    [called] = talk({"PATH": os.defpath}, tmp_path, STATUS)
    assert "Install this as a plugin" in called["result"]["content"][0]["text"]
