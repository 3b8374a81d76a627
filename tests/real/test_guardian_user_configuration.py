"""The user's own Codex configuration: confinement is the same, his files and his model stay as they are."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from codex_fusion import confinement, surroundings
from codex_fusion.errors import ConfinementError
from tests.support.bare_client import ALLOW
from tests.support.guarded import (
    SECRET,
    Model,
    codex_config,
    config_of,
    environ_of,
    fill,
    guarded,
    output_of,
    place,
    side_by_side,
)
from tests.support.scripted_model import Run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.guarded import Outcomes, Place

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("anyio_backend")]

HOOKS = "[features]\nhooks = true\n" + "".join(
    f'[[hooks.{event}]]\n[[hooks.{event}.hooks]]\ntype = "command"\n'
    f"""command = "touch {{mark}}-{event}; echo '{{\\"decision\\": \\"approve\\"}}'"\n"""
    for event in ("SessionStart", "PreToolUse", "PermissionRequest")
)
CONFIGURATIONS = {
    "no approvals": 'approval_policy = "never"\n',
    "no sandbox": 'sandbox_mode = "danger-full-access"\napproval_policy = "never"\n',
    "the auto-reviewer": 'approvals_reviewer = "auto_review"\n',
    "a wide workspace": 'sandbox_mode = "workspace-write"\n[sandbox_workspace_write]\n'
    'writable_roots = ["/"]\nnetwork_access = true\n',
    "another default profile": 'default_permissions = "wide"\n[permissions.wide.filesystem]\n'
    '":root" = "write"\n[permissions.wide.network]\nenabled = true\n',
    "MCP servers": '[mcp_servers.claude]\ncommand = "sh"\nargs = ["-c", "touch {mark}-claude"]\n'
    '[mcp_servers."a.b \\"c\\""]\ncommand = "sh"\nargs = ["-c", "touch {mark}-odd"]\nrequired = true\n'
    '[mcp_servers.remote]\nurl = "http://127.0.0.1:9/mcp"\n',
    "a program to notify": 'notify = ["sh", "-c", "touch {mark}-notify"]\n',
    "variables for commands": '[shell_environment_policy]\ninherit = "all"\nignore_default_excludes = true\n'
    'include_only = ["*"]\n[shell_environment_policy.set]\nEVIL = "yes"\n',
    "features": "[features]\nmulti_agent = true\nplugins = true\ncode_mode = true\nhooks = true\n"
    "memories = true\n"
    "shell_snapshot = true\nuse_legacy_landlock = true\nwrite_stdin_approval = false\n",
    "web search": 'web_search = "live"\n',
}
TOOLS = {"exec_command", "write_stdin", "request_user_input", "apply_patch", "view_image"}


async def _configured(codex_acp: Path, name: str) -> None:
    with place(codex_files={"config.toml": ""}) as here:
        fill(here.codex_home, {"config.toml": CONFIGURATIONS[name].replace("{mark}", str(here.mark))})
        before = here.snapshot()
        async with guarded(codex_acp, here) as session:
            outputs = await session.run(
                f"cat {here.home}/.ssh/id", "touch new", f"touch {here.mark}-x", "echo EVIL=$EVIL."
            )
            assert session.client.asked == []
            await session.turn(Run(f"touch {here.mark}-y", escalate="please"))
            assert len(session.client.asked) == 1
            tools = {tool.get("name") or tool["type"] for tool in session.model.requests[0]["tools"]}
        assert SECRET not in "".join(outputs)
        assert "Read-only file system" in outputs[1]
        assert outputs[3] == "EVIL=.\n"
        assert here.marks() == []
        assert here.snapshot() == before
        assert tools <= TOOLS


@pytest.fixture(scope="module")
async def configured(codex_acp: Path) -> Outcomes:
    return await side_by_side({name: partial(_configured, codex_acp, name) for name in CONFIGURATIONS})


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_confinement_is_the_same_with(configured: Outcomes, name: str) -> None:
    configured.of(name)


def trusted(codex: str, here: Place, environ: dict[str, str]) -> str:
    """What the user's configuration holds once he trusts each hook in it: Codex runs no others."""
    messages = (
        {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}},
        {"method": "initialized"},
        {"id": 2, "method": "hooks/list", "params": {"cwds": [str(here.workspace)]}},
    )
    with subprocess.Popen(
        (codex, "app-server"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.writelines(json.dumps(message) + "\n" for message in messages)
        server.stdin.flush()
        answer = next(m for m in map(json.loads, server.stdout) if m.get("id") == 2)
        server.kill()
    hooks = answer["result"]["data"][0]["hooks"]
    return "".join(
        f'[hooks.state.{json.dumps(hook["key"])}]\ntrusted_hash = "{hook["currentHash"]}"\n' for hook in hooks
    )


async def test_hooks_that_the_user_trusts_do_not_answer_for_claude(codex_acp: Path) -> None:
    with place() as here, Model() as model:
        environ = environ_of(here, model)
        around = surroundings.survey(config_of(here), (str(codex_acp),), environ)
        around.remove()
        assert around.facts.codex is not None
        hooks = HOOKS.replace("{mark}", str(here.mark))
        fill(here.codex_home, {"config.toml": hooks})
        state = trusted(around.facts.codex[0], here, environ)
        assert state.count("trusted_hash") == 3
        fill(here.codex_home, {"config.toml": hooks + state})
        async with guarded(codex_acp, here) as session:
            await session.run("cat a.txt")
            await session.turn(Run(f"touch {here.mark}", escalate="please"))
            assert len(session.client.asked) == 1
        assert here.marks() == []


LOOSE: dict[str, dict[str, object]] = {
    "tables": {
        "approval_policy": "never",
        "sandbox_mode": "danger-full-access",
        "default_permissions": "wide",
        "permissions": {"wide": {"filesystem": {":root": "write"}}},
        "features": {"hooks": True, "multi_agent": True},
        "web_search": "live",
        "shell_environment_policy": {"set": {"EVIL": "yes"}, "include_only": ["*"]},
    },
    "dotted names": {
        "features.multi_agent": True,
        "features.hooks": True,
        "shell_environment_policy.set.EVIL": "yes",
        "sandbox_workspace_write.network_access": True,
    },
    "no tables at all": {
        "features": True,
        "mcp_servers": [],
        "shell_environment_policy": "x",
        "permissions": 1,
    },
}


@pytest.mark.parametrize("name", LOOSE)
async def test_confinement_is_the_same_with_a_codex_config_of(codex_acp: Path, name: str) -> None:
    with place() as here, Model() as model:
        servers = {"mcp_servers": {"x": {"command": "touch", "args": [f"{here.mark}-mcp"]}}}
        hooks = {
            "hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": f"touch {here.mark}-h"}]}]}
        }
        text = json.dumps({**codex_config(model), **servers, **hooks, **LOOSE[name]})
        # Through the other model's address, so that what the user says of his model is seen to be kept.
        async with guarded(codex_acp, here, CODEX_CONFIG=text) as session:
            model.script(Run(f"cat {here.home}/.ssh/id; touch new; echo EVIL=$EVIL."))
            await session.client.prompt(session.session)
            output = output_of(model.tool_outputs()[0])
        assert SECRET not in output
        assert "Read-only file system" in output
        assert "EVIL=." in output
        assert here.marks() == []
        assert {tool.get("name") or tool["type"] for tool in model.requests[0]["tools"]} <= TOOLS


async def test_rules_of_the_user_that_allow_commands_do_not_lead_out(codex_acp: Path) -> None:
    rules = "".join(
        f'prefix_rule(pattern = ["{word}"], decision = "allow")\n'
        for word in ("cat", "touch", "python3", "sh")
    )
    with place(codex_files={"rules/default.rules": rules}) as here:
        before = here.snapshot()
        async with guarded(codex_acp, here) as session:
            outputs = await session.turn(
                Run(f"cat {here.home}/.ssh/id"),
                Run(f"touch {here.mark}"),
                Run(f"touch {here.mark}", escalate="please"),
                Run(f'python3 -c \'open("{here.mark}", "w")\''),
                answer=ALLOW,
            )
            assert SECRET not in outputs[0]
            assert any("default.rules" in line for line in session.plan.set_aside)
            # What Claude allows still runs outside.
            assert await session.turn(Run(f"ls {here.outside}", escalate="x"), answer=ALLOW) == [
                "secret.txt\n"
            ]
        assert here.marks() == []
        assert here.snapshot() == before


async def test_the_users_launcher_is_run_inside_ours(codex_acp: Path) -> None:
    with place() as here, Model() as model:
        around = surroundings.survey(config_of(here), (str(codex_acp),), environ_of(here, model))
        around.remove()
        assert around.facts.codex is not None
        own = here.root / "my-codex"
        own.write_text(
            f'#!/bin/sh\ntouch {here.root}/mine\nexec {around.facts.codex[0]} "$@"\n', encoding="utf-8"
        )
        own.chmod(0o755)
        # A script that leads elsewhere says nothing of where codex is installed: the user names that.
        roots = around.facts.codex_folders
        async with guarded(
            codex_acp, here, config_of(here, read_roots=roots), CODEX_PATH=str(own)
        ) as session:
            assert session.mode == session.plan.mode
            outputs = await session.run(f"cat {here.home}/.ssh/id", "cat a.txt")
        assert (here.root / "mine").exists()
        assert SECRET not in outputs[0]
        assert outputs[1] == "one\ntwo\n"


async def test_a_configuration_that_cannot_be_read_is_refused_before_anything_starts(codex_acp: Path) -> None:
    with place() as here, Model() as model:
        fill(here.codex_home, {"config.toml": "[broken"})
        environ = environ_of(here, model)
        around = surroundings.survey(config_of(here), (str(codex_acp),), environ)
        try:
            with pytest.raises(ConfinementError, match="no valid TOML"):
                confinement.plan(config_of(here), around.facts, environ)
        finally:
            around.remove()
