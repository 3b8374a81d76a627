"""What `doctor` says of Claude Code; the hook is really run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion import client_checks
from codex_fusion.checks import Severity
from codex_fusion.config import Config
from tests.unit.test_claude_code import Home

if TYPE_CHECKING:
    from codex_fusion.checks import Check

HOOK = Path(__file__).parents[2] / "hooks" / "session_reset.py"
OK, ADVICE, FAILED = Severity.OK, Severity.ADVICE, Severity.FAILED


class Desk(Home):
    """A home, and a folder of commands."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environ["PATH"] = str(self.bin)

    def command(self, name: str, script: str = "") -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o700)

    def hook(self, command: str, matcher: str = "clear") -> None:
        hooks = {"SessionStart": [{"matcher": matcher, "hooks": [{"type": "command", "command": command}]}]}
        self.put(".claude/settings.json", {"hooks": hooks})

    def entry(self, **entry: object) -> None:
        self.put(".claude.json", {"mcpServers": {"codex-fusion": entry}})

    def checks(self, name: str = "", turn_s: float = 300.0) -> list[Check]:
        config = Config(self.workspace, turn_timeout_s=turn_s)
        found = list(client_checks.examine(config, self.environ))
        return [check for check in found if name in ("", check.name)]

    def check(self, name: str) -> Check:
        (check,) = self.checks(name)
        assert check.remedy or check.severity is OK
        return check


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "home")


def test_without_claude_code_that_is_all_there_is_to_say(desk: Desk) -> None:
    (check,) = desk.checks()
    assert (check.name, check.severity) == ("Claude Code", ADVICE)


def test_claude_code_is_told_with_its_version(desk: Desk) -> None:
    desk.command("claude", "echo '2.1.329 (Claude Code)'")
    check = desk.check("Claude Code")
    assert check.severity is OK
    assert check.says == f"2.1.329 (Claude Code) at {desk.bin / 'claude'}"


def test_a_claude_code_that_does_not_run_is_advice(desk: Desk) -> None:
    desk.command("claude", "exit 3")
    assert desk.check("Claude Code").severity is ADVICE


def test_a_fresh_claude_code_is_to_be_told_of_us(desk: Desk) -> None:
    desk.command("claude")
    assert desk.check("registration").severity is ADVICE
    assert "codex-fusion setup" in desk.check("registration").remedy
    assert desk.check("hook").severity is ADVICE
    assert "claude plugin install" in desk.check("hook").remedy


def test_a_registration_whose_command_is_there_is_ok(desk: Desk) -> None:
    desk.command("codex-fusion")
    desk.entry(command="codex-fusion")
    assert desk.check("registration").severity is OK


def test_a_registration_whose_command_is_gone_has_failed(desk: Desk) -> None:
    desk.entry(command="/gone/codex-fusion")
    check = desk.check("registration")
    assert check.severity is FAILED
    assert "'/gone/codex-fusion', which is no command" in check.says


def test_two_registrations_are_one_too_many(desk: Desk) -> None:
    desk.command("codex-fusion")
    both = {name: {"command": "codex-fusion"} for name in ("codex-fusion", "codex-fusion-2")}
    desk.put(".claude.json", {"mcpServers": both})
    assert [check.severity for check in desk.checks("registration")] == [OK, OK, ADVICE]


def ours() -> str:
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(HOOK))}"


def test_our_hook_is_run_and_fires_on_a_clear_alone(desk: Desk) -> None:
    desk.hook(ours())
    check = desk.check("hook")
    assert check.severity is OK, check.says
    assert not (desk.folder / ".local").exists()  # nothing of the user's was touched


def test_the_plugins_hook_is_run_where_the_plugin_is(desk: Desk) -> None:
    root = desk.plugin()
    command = f'{shlex.quote(sys.executable)} "${{CLAUDE_PLUGIN_ROOT}}/hooks/session_reset.py"'
    hooks = {"SessionStart": [{"matcher": "clear", "hooks": [{"type": "command", "command": command}]}]}
    desk.put("plugin/hooks/hooks.json", {"hooks": hooks})
    (root / "hooks" / "session_reset.py").write_text(HOOK.read_text())
    (root / "codex_fusion").symlink_to(HOOK.parents[1] / "codex_fusion")
    check = desk.check("hook")
    assert check.severity is OK, check.says


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("true # session_reset.py", "on clear: it changed nothing"),
        ("/bin/cat > $XDG_STATE_HOME/x # session_reset.py", "on startup: it acted, and should not"),
        ("/gone/session_reset.py", "on startup: it ended with 127"),
        ("exit 2 # session_reset.py", "on startup: it ended with 2"),
        ("echo no module >&2 # session_reset.py", "on startup: no module"),
    ],
)
def test_a_hook_that_does_not_fire_has_failed(desk: Desk, command: str, words: str) -> None:
    desk.hook(command)
    check = desk.check("hook")
    assert check.severity is FAILED
    assert words in check.says


def test_a_hook_that_is_not_called_for_a_clear_has_failed(desk: Desk) -> None:
    desk.hook(ours(), matcher="startup")
    check = desk.check("hook")
    assert check.severity is FAILED
    assert "not for a /clear" in check.says


def test_limits_that_are_long_enough_are_ok(desk: Desk) -> None:
    desk.command("claude")
    desk.environ |= {"MCP_TIMEOUT": "30000", "MCP_TOOL_TIMEOUT": "300000"}
    assert desk.check("time limits").severity is OK


def test_a_limit_of_calls_below_the_turns_has_failed(desk: Desk) -> None:
    desk.command("claude")
    desk.environ["MCP_TOOL_TIMEOUT"] = "299999"
    check = desk.check("time limits")
    assert check.severity is FAILED
    assert "MCP_TOOL_TIMEOUT is 299999 ms" in check.says
    assert desk.checks("time limits", turn_s=299.0)[0].severity is OK


def test_a_limit_of_the_registration_below_the_turns_has_failed(desk: Desk) -> None:
    desk.entry(command="true", timeout=1000)
    check = desk.check("time limits")
    assert check.severity is FAILED
    assert "`timeout` of codex-fusion" in check.says


def test_a_limit_of_the_start_below_what_it_takes_is_advice(desk: Desk) -> None:
    desk.command("claude")
    desk.environ["MCP_TIMEOUT"] = "1000"
    assert desk.check("time limits").severity is ADVICE
