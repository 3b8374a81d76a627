"""`codex-fusion doctor`: what works on this machine, tried and not assumed. It asks no model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

import anyio
import anyio.to_thread

from codex_fusion import confinement, install, launch, nonce, probe, surroundings
from codex_fusion.errors import AgentError, FusionError
from codex_fusion.opening import AgentOpener
from codex_fusion.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from codex_fusion.config import Config
    from codex_fusion.confinement import Plan
    from codex_fusion.conversation import Conversation
    from codex_fusion.surroundings import Surroundings

SESSION_LIMIT_S = 120.0
NODE_LIMIT_S = 10.0
OLDEST_NODE = 20
"""codex-acp 2.6.0 was run on Node 20."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `remedy` says what to do where it is not ok."""

    name: str
    ok: bool
    says: str
    remedy: str = ""


async def examine(config: Config, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    """Check after check, as each is done."""
    yield Check(
        "configuration", ok=True, says=f"workspace {config.workspace}, confinement {config.confinement.value}"
    )
    yield _node()
    try:
        found = launch.find(config, environ)
    except FusionError as error:
        yield Check("agent", ok=False, says=str(error), remedy=error.remedy)
        return
    yield Check("agent", ok=True, says=f"{' '.join(found.argv)} ({found.source.value})")
    async for check in _session(config, environ):
        yield check
    async for check in _sandbox(config, environ, found.argv):
        yield check
    yield _state_folder(environ)


def _node() -> Check:
    node = shutil.which("node")
    if node is None:
        return Check(
            "Node.js", ok=False, says="there is no `node` on PATH", remedy="Install Node.js 20 or newer."
        )
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=NODE_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check("Node.js", ok=False, says=f"{node}: {error}", remedy="Install Node.js 20 or newer.")
    version = said.stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    ok = major.isdecimal() and int(major) >= OLDEST_NODE
    return Check("Node.js", ok, f"{version} at {node}", "" if ok else "Install Node.js 20 or newer.")


async def _session(config: Config, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    async with anyio.create_task_group() as tasks:
        opener = AgentOpener(config, environ, tasks)
        try:
            with anyio.fail_after(SESSION_LIMIT_S):
                talk = await opener.open(lambda _line: None)
        except TimeoutError:
            says = f"the agent opened no session within {SESSION_LIMIT_S:g} s"
            remedy = "Try CODEX_FUSION_ACP_COMMAND with another codex-acp."
            yield Check("session", ok=False, says=says, remedy=remedy)
        except AgentError as error:
            yield Check(
                "session", ok=False, says=scrub(f"{error}\n{error.stderr}".strip()), remedy=error.remedy
            )
        else:
            says = "opened: Codex is there and logged in, as far as it tells without a model"
            yield Check("session", ok=True, says=says)
            yield _version(talk)
            for notice in talk.notices:
                yield Check("set aside", ok=True, says=notice)
        finally:
            await opener.close()
            tasks.cancel_scope.cancel()


def _version(talk: Conversation) -> Check:
    pinned = f"{install.CODEX_ACP_PACKAGE} {install.CODEX_ACP_VERSION}"
    says = f"{talk.agent_name or 'unknown'}, model {talk.model or 'unknown'}"
    if talk.agent_name == pinned:
        return Check("version", ok=True, says=says)
    return Check(
        "version",
        ok=False,
        says=f"{says}; codex-fusion was tested with {pinned}",
        remedy="Run `codex-fusion setup` for the tested version.",
    )


async def _sandbox(config: Config, environ: Mapping[str, str], argv: tuple[str, ...]) -> AsyncIterator[Check]:
    around = surroundings.survey(config, argv, environ)
    try:
        plan = confinement.plan(config, around.facts, environ)
        yield Check("confinement", ok=True, says=plan.description)
        if plan.mode is None:
            return
        if around.facts.codex is None:
            says = "Codex itself was not found, so its sandbox was not tried"
            remedy = "Run `codex-fusion setup`, so that Codex is there to be tried."
            yield Check("sandbox", ok=False, says=says, remedy=remedy)
            return
        for check in await anyio.to_thread.run_sync(_tried, plan, around):
            yield check
    except FusionError as error:
        yield Check("confinement", ok=False, says=str(error), remedy=error.remedy)
    finally:
        around.remove()


def _tried(plan: Plan, around: Surroundings) -> list[Check]:
    try:
        tried = probe.try_sandbox(plan, around)
    except (OSError, subprocess.SubprocessError) as error:
        return [Check("sandbox", ok=False, says=f"Codex's sandbox could not be started: {error}")]
    if not tried.ran:
        problem = probe.judge(plan, tried)
        says = f"{problem}\n{tried.said}".strip()
        return [Check("sandbox", ok=False, says=says, remedy=problem.remedy if problem else "")]
    return [
        _attempt(
            "read a file outside the workspace", succeeded=tried.read_outside, allowed=plan.reads_outside
        ),
        _attempt(
            "write a file inside the workspace", succeeded=tried.wrote_inside, allowed=plan.writes_inside
        ),
        _attempt("connect to an address", succeeded=tried.connected, allowed=plan.network),
    ]


def _attempt(what: str, *, succeeded: bool, allowed: bool) -> Check:
    says = f"a command tried to {what}: it {'could' if succeeded else 'could not'}"
    remedy = "" if allowed or not succeeded else "Do not use this system; report what `doctor` prints."
    return Check("sandbox", ok=allowed or not succeeded, says=says, remedy=remedy)


def _state_folder(environ: Mapping[str, str]) -> Check:
    folder = nonce.state_folder(environ)
    try:
        nonce.make_private(folder)
    except OSError as error:
        return Check(
            "state folder",
            ok=False,
            says=f"{folder}: {error}",
            remedy="Make it yours, or set XDG_STATE_HOME.",
        )
    return Check("state folder", ok=True, says=folder)


async def doctor(config: Config, out: TextIO, *, as_json: bool) -> int:
    """Print every check; returns 0 if all are ok, else 1."""
    checks: list[Check] = []
    async for check in examine(config, dict(os.environ)):
        checks.append(check)
        if not as_json:
            out.write(_line(check))
            out.flush()
    failed = [check for check in checks if not check.ok]
    if as_json:
        out.write(json.dumps({"ok": not failed, "checks": [asdict(c) for c in checks]}, indent=2) + "\n")
    else:
        out.write("all ok\n" if not failed else f"{len(failed)} not ok\n")
    return 1 if failed else 0


def _line(check: Check) -> str:
    remedy = f"\n        → {check.remedy}" if check.remedy and not check.ok else ""
    says = check.says.replace("\n", "\n        ")
    return f"{'ok    ' if check.ok else 'NOT OK'}  {check.name}: {says}{remedy}\n"
