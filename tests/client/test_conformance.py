"""The official conformance suite against the installed server. It speaks HTTP only: a bridge stands between.

What passes and what fails, and why, is the table in docs/development.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.conftest import ROOT
from tests.support.http_bridge import HttpBridge
from tests.support.npm import installed, node
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from tests.support.raw_mcp import Era

VERSION = "0.2.0-alpha.12"
SHIM = ROOT / "tests" / "support" / "on_node_20.mjs"
REVISIONS: dict[str, Era] = {"2025-11-25": "handshake", "2026-07-28": "2026-07-28"}
FIXTURES = {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"}
"""Checks of `server-stateless` that call a tool of the suite's own server."""

Checks = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Verdicts:
    """What the suite found, scenario by scenario."""

    revision: str
    checks: Checks

    def failures(self, scenario: str) -> set[str]:
        return {check["id"] for check in self.checks[scenario] if check["status"] == "FAILURE"}


@pytest.fixture(scope="module", params=REVISIONS)
def verdicts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    suite = installed("@modelcontextprotocol/conformance", VERSION, "dist/index.js")
    folder = tmp_path_factory.mktemp("conformance")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    server = (str(Path(sys.executable).with_name("codex-fusion")),)
    with HttpBridge(server, REVISIONS[request.param], cwd=folder, env=environment) as bridge:
        arguments = ("--url", bridge.url, "--requirements", request.param, "--output-dir", "results")
        subprocess.run(
            (node(), "--import", SHIM.as_uri(), suite, "server", *arguments),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,  # it fails if anything of it fails
        )
    found: Checks = {}
    for file in folder.glob("results/*/checks.json"):
        named = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", file.parent.name)
        assert named, file
        found[named[1]] = json.loads(file.read_text())
    return Verdicts(request.param, found)


def documented(revision: str) -> dict[str, str]:
    """Scenario → what the documentation says came of it."""
    column = 2 + list(REVISIONS).index(revision)
    found: dict[str, str] = {}
    for line in (ROOT / "docs" / "development.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[column] in ("passed", "failed"):
            found |= dict.fromkeys(re.findall(r"`([\w-]+)`", cells[1]), cells[column])
    return found


def test_each_scenario_comes_out_as_documented(verdicts: Verdicts) -> None:
    found = {name: "failed" if verdicts.failures(name) else "passed" for name in verdicts.checks}
    assert found == documented(verdicts.revision)


def test_all_that_the_server_writes_fits_the_specification(verdicts: Verdicts) -> None:
    judged = {
        name: check["status"]
        for name, checks in verdicts.checks.items()
        for check in checks
        if check["id"].startswith("wire-schema")
    }
    assert {"tools-list", "resources-list", "prompts-list"} <= set(judged)
    assert set(judged.values()) == {"SUCCESS"}


@pytest.mark.parametrize("verdicts", ["2026-07-28"], indirect=True)
def test_without_a_handshake_only_what_http_asks_for_is_missing(verdicts: Verdicts) -> None:
    failed = verdicts.failures("server-stateless") - FIXTURES
    assert all(name.startswith("sep-2575-http-server-") for name in failed), failed
