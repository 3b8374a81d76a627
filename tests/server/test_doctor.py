"""`codex-fusion doctor` on the real agent: all well, and each check made to fail once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion import doctor as doctors
from codex_fusion.checks import Severity, advice, failed, ok
from codex_fusion.terminal import Screen
from tests.support.rogue_script import error
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.server.conftest import Real
    from tests.support.played import Played

DOCTOR = (sys.executable, "-m", "codex_fusion.cli", "doctor")


def doctor(
    workspace: Path, environment: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*DOCTOR, *options),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=workspace,
        env={"PATH": os.environ["PATH"], **environment},
        timeout=LIMIT_S,
        check=False,
    )


def failures(workspace: Path, environment: Mapping[str, str], *, code: int = 1) -> dict[str, dict[str, Any]]:
    """The checks that are not ok, by name; each has a remedy."""
    done = doctor(workspace, environment, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is (code == 0)
    found = {check["name"]: check for check in report["checks"] if not check["ok"]}
    assert all(check["remedy"] for check in found.values())
    assert all(check["severity"] == "failed" for check in found.values())
    return found


def bin_with(folder: Path, **scripts: str) -> str:
    """A PATH with the system's commands, but for these."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o700)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_on_a_machine_where_all_is_well_every_check_is_ok(real: Real, tmp_path: Path) -> None:
    path = bin_with(tmp_path / "bin", claude="echo '2.1.329 (Claude Code)'")
    done = doctor(real.workspace, real.environment | {"PATH": path})
    assert done.returncode == 0, done.stdout
    assert "NOT OK" not in done.stdout
    assert "\x1b" not in done.stdout
    for words in (
        "configuration: workspace",
        "Node.js: v",
        "session: opened",
        "version: @agentclientprotocol/codex-acp 2.6.0",
        "confinement: strict",
        "read a file outside the workspace: it could not",
        "write a file inside the workspace: it could not",
        "connect to an address: it could not",
        "state folder: ",
        "history: 0 debates kept in ",
        "Claude Code: 2.1.329",
        "time limits: ",
    ):
        assert f"ok      {words}" in done.stdout or f"tried to {words}" in done.stdout, words
    assert real.model.requests == []
    assert done.stdout.splitlines()[-1] == "all ok, 2 with advice"


def test_the_json_keeps_its_shape(played: Played) -> None:
    done = doctor(played.workspace, played.environment, "--json")
    report = json.loads(done.stdout)
    assert report.keys() == {"ok", "checks"}
    assert {tuple(check) for check in report["checks"]} == {("name", "ok", "severity", "says", "remedy")}


def test_without_node_or_with_an_old_one(real: Real, tmp_path: Path) -> None:
    old = real.environment | {"PATH": bin_with(tmp_path / "old", node="echo v18.20.0")}
    assert "v18.20.0" in failures(real.workspace, old)["Node.js"]["says"]
    broken = real.environment | {"PATH": bin_with(tmp_path / "broken", node="exit 1")}
    assert "exit status 1" in failures(real.workspace, broken)["Node.js"]["says"]
    (tmp_path / "none").mkdir()
    none = failures(real.workspace, real.environment | {"PATH": str(tmp_path / "none")})
    assert "no `node`" in none["Node.js"]["says"]


def test_an_agent_that_is_not_there(played: Played) -> None:
    found = failures(played.workspace, played.environment | {"CODEX_FUSION_ACP_COMMAND": "no-such-agent"})
    assert found.keys() == {"agent"}


def test_a_codex_that_is_not_logged_in(real: Real) -> None:
    environment = {k: v for k, v in real.environment.items() if k not in ("CODEX_CONFIG", "MODEL_PROVIDER")}
    found = failures(real.workspace, environment)
    assert found.keys() == {"session"}
    assert "not logged in" in found["session"]["says"]
    assert "codex login" in found["session"]["remedy"]


def test_an_agent_of_another_version(played: Played) -> None:
    found = failures(played.workspace, played.environment)
    assert found.keys() == {"version"}
    assert "tested with @agentclientprotocol/codex-acp 2.6.0" in found["version"]["says"]


def test_an_agent_that_refuses_a_session(played: Played) -> None:
    secret = "sk-" + "a1B2" * 12
    played.rogue.on("session/new", error(-32603, f"bad key {secret}"))
    found = failures(played.workspace, played.environment)
    assert "bad key" in found["session"]["says"]
    assert secret not in found["session"]["says"]
    played.rogue.wait_until_gone()


def test_a_confinement_that_can_not_be_planned(real: Real) -> None:
    found = failures(real.workspace, real.environment | {"CODEX_CONFIG": "[]"})
    assert "no JSON object" in found["confinement"]["says"]
    assert "session" in found


def test_a_codex_that_is_not_there_to_be_tried(played: Played) -> None:
    found = failures(played.workspace, played.environment | {"CODEX_FUSION_CONFINEMENT": "read-only"})
    assert "was not tried" in found["sandbox"]["says"]


@pytest.mark.parametrize(("codex", "words"), [("exit 1", "can't sandbox"), (None, "could not be started")])
def test_a_sandbox_that_does_not_run(real: Real, tmp_path: Path, codex: str | None, words: str) -> None:
    command = tmp_path / "codex"
    if codex is not None:
        command.write_text(f"#!/bin/sh\n{codex}\n")
        command.chmod(0o700)
    found = failures(real.workspace, real.environment | {"CODEX_PATH": str(command)})
    assert words in found["sandbox"]["says"]


def test_a_state_folder_that_can_not_be_made(played: Played, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = failures(played.workspace, played.environment | {"XDG_STATE_HOME": str(tmp_path / "file")})
    assert str(tmp_path / "file") in found["state folder"]["says"]


def test_a_history_that_can_not_be_kept_is_advice(played: Played) -> None:
    state = played.workspace.parent / "home" / "state" / "codex-fusion"
    state.mkdir(parents=True)
    (state / "debates").touch()
    report = json.loads(doctor(played.workspace, played.environment, "--json").stdout)
    (check,) = [check for check in report["checks"] if check["name"] == "history"]
    assert (check["ok"], check["severity"]) == (True, "advice")
    assert check["remedy"]


def test_a_history_that_is_off_is_said_and_no_folder_is_made(played: Played) -> None:
    done = doctor(played.workspace, played.environment | {"CODEX_FUSION_HISTORY": "off"})
    assert "ok      history: off" in done.stdout
    assert not list(played.workspace.parent.glob("home/state/*/debates"))


def test_a_hook_that_does_not_fire_turns_it_red(played: Played) -> None:
    settings = played.workspace.parent / "home" / ".claude" / "settings.json"
    settings.parent.mkdir()
    hook = {"type": "command", "command": "true # session_reset.py"}
    settings.write_text(json.dumps({"hooks": {"SessionStart": [{"hooks": [hook]}]}}))
    assert "hook" in failures(played.workspace, played.environment)


def test_what_the_sandbox_lets_through_is_ok_only_where_it_was_planned() -> None:
    leak = doctors._attempt("read", succeeded=True, allowed=False)  # noqa: SLF001 no sandbox leaks on demand
    assert leak.severity is Severity.FAILED
    assert leak.remedy
    assert doctors._attempt("read", succeeded=True, allowed=True).severity is Severity.OK  # noqa: SLF001 as above


def test_a_remedy_is_shown_where_something_is_to_be_done() -> None:
    out = StringIO()
    for check in (ok("a", "fine"), advice("b", "one\ntwo", "Do x."), failed("c", "bad", "Do y.")):
        doctors.show(check, Screen(out))
    assert out.getvalue() == (
        "ok      a: fine\nadvice  b: one\n        two\n        → Do x.\nNOT OK  c: bad\n        → Do y.\n"
    )
