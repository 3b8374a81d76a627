"""`codex-fusion setup`, on the real codex-acp and a `claude` that writes down what it was asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion.setup import own_command
from tests.support.terminal import ENTER, Terminal
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from tests.server.conftest import Real

SETUP = (sys.executable, "-m", "codex_fusion.cli", "setup")
ASKED = "Run it now? [y/N]"
OWN = " ".join(own_command())


@dataclass
class Machine:
    """A home where codex-acp is installed already, and a folder of commands."""

    workspace: Path
    environment: dict[str, str]
    folder: Path

    def claude(self, *, code: int = 0) -> None:
        script = f'#!/bin/sh\necho "$@" >> {self.folder}/asked\necho claude said so\nexit {code}\n'
        (self.folder / "claude").write_text(script)
        (self.folder / "claude").chmod(0o700)

    @property
    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def setup(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*SETUP, *options),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.workspace,
            env=self.environment,
            timeout=LIMIT_S,
            check=False,
        )


@pytest.fixture
def machine(real: Real, real_agent: Path, tmp_path: Path) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    data = Path(real.environment["XDG_DATA_HOME"]) / "codex-fusion"
    data.mkdir(parents=True)
    installed = real_agent.parents[2]
    (data / installed.name).symlink_to(installed)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment = real.environment | {"PATH": path, "TERM": "xterm-256color"}
    del environment["CODEX_FUSION_ACP_COMMAND"]
    return Machine(real.workspace, environment, folder)


def test_with_yes_everything_is_done_and_shown_first(machine: Machine) -> None:
    machine.claude()
    done = machine.setup("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.asked == [f"mcp add --scope user codex-fusion -- {OWN}"]
    assert "session: opened" in done.stdout
    shown, said = (
        done.stdout.index(f"claude mcp add --scope user codex-fusion -- {OWN}"),
        done.stdout.index("said so"),
    )
    assert shown < said
    assert "All done." in done.stdout


def test_in_a_pipe_without_yes_the_command_is_only_shown(machine: Machine) -> None:
    machine.claude()
    done = machine.setup()
    assert done.returncode == 0
    assert machine.asked == []
    assert f"claude mcp add --scope user codex-fusion -- {OWN}" in done.stdout
    assert "--yes" in done.stdout


def test_without_claude_code_it_says_how(machine: Machine) -> None:
    done = machine.setup("--yes")
    assert done.returncode == 0
    assert "no `claude` on PATH" in done.stdout
    assert f"claude mcp add --scope user codex-fusion -- {OWN}" in done.stdout


@pytest.mark.parametrize(("answer", "times"), [("y", 1), ("yes", 1), ("n", 0), ("", 0), ("yikes", 0)])
def test_a_person_is_asked_first(machine: Machine, answer: str, times: int) -> None:
    machine.claude()
    with Terminal(SETUP, machine.workspace, machine.environment) as terminal:
        terminal.shows(ASKED)
        terminal.press(answer + ENTER)
        assert terminal.exit_code() == 0
    assert len(machine.asked) == times


def test_a_claude_code_that_knows_us_is_left_alone(machine: Machine) -> None:
    machine.claude()
    entry = {"mcpServers": {"codex-fusion": {"command": "codex-fusion"}}}
    (Path(machine.environment["HOME"]) / ".claude.json").write_text(json.dumps(entry))
    done = machine.setup("--yes")
    assert done.returncode == 0
    assert machine.asked == []
    assert "knows this server already" in done.stdout


def test_a_registration_that_fails_is_told(machine: Machine) -> None:
    machine.claude(code=1)
    done = machine.setup("--yes")
    assert done.returncode == 1
    assert "claude said so" in done.stdout
    assert "All done." not in done.stdout


def test_without_a_login_it_says_how_to_log_in(machine: Machine) -> None:
    del machine.environment["CODEX_CONFIG"]
    del machine.environment["MODEL_PROVIDER"]
    done = machine.setup()
    assert done.returncode == 1
    assert "not logged in" in done.stdout
    codex = (
        Path(machine.environment["XDG_DATA_HOME"]) / "codex-fusion/codex-acp-2.6.0/node_modules/.bin/codex"
    )
    assert f"{codex} login\n" in done.stdout
    assert codex.exists()


def test_an_interrupt_leaves_no_traceback(machine: Machine) -> None:
    machine.claude()
    with Terminal(SETUP, machine.workspace, machine.environment) as terminal:
        terminal.shows(ASKED)
        terminal.press("\x03")
        assert terminal.exit_code() == 130
    assert "Traceback" not in terminal.text
    assert machine.asked == []
