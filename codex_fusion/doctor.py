"""`codex-fusion doctor`: what works on this machine, tried and not assumed. It asks no model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, TextIO

import anyio
import anyio.to_thread

from codex_fusion import client_checks, confinement, install, launch, nonce, probe, surroundings
from codex_fusion.archive import Archive
from codex_fusion.checks import Severity, advice, failed, ok
from codex_fusion.errors import AgentError, FusionError
from codex_fusion.opening import AgentOpener
from codex_fusion.scrub import scrub
from codex_fusion.terminal import Screen, Tone, screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from codex_fusion.checks import Check
    from codex_fusion.config import Config
    from codex_fusion.confinement import Plan
    from codex_fusion.conversation import Conversation
    from codex_fusion.surroundings import Surroundings

SESSION_LIMIT_S = 120.0
NODE_LIMIT_S = 10.0
OLDEST_NODE = 20
"""codex-acp 2.6.0 was run on Node 20."""
GET_NODE = "Install Node.js 20 or newer."
GET_CODEX = "Run `codex-fusion setup`; if CODEX_PATH is set, correct it."
_SHOWN = {
    Severity.OK: ("ok", Tone.GOOD),
    Severity.ADVICE: ("advice", Tone.ASKS),
    Severity.FAILED: ("NOT OK", Tone.BAD),
}


async def examine(config: Config, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    """Check after check, as each is done."""
    yield ok("configuration", f"workspace {config.workspace}, confinement {config.confinement.value}")
    yield _node(environ)
    async for check in _agent(config, environ):
        yield check
    yield _state_folder(environ)
    yield _history(environ) if config.history else ok("history", "off: no debate is kept")
    for check in await anyio.to_thread.run_sync(lambda: list(client_checks.examine(config, environ))):
        yield check


async def _agent(config: Config, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    try:
        found = launch.find(config, environ)
    except FusionError as error:
        yield failed("agent", str(error), error.remedy)
        return
    yield ok("agent", f"{' '.join(found.argv)} ({found.source.value})")
    async for check in session(config, environ):
        yield check
    async for check in _sandbox(config, environ, found.argv):
        yield check


def _node(environ: Mapping[str, str]) -> Check:
    node = shutil.which("node", path=environ.get("PATH", os.defpath))
    if node is None:
        return failed("Node.js", "there is no `node` on PATH", GET_NODE)
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=NODE_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return failed("Node.js", f"{node}: {error}", GET_NODE)
    version = said.stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    new_enough = major.isdecimal() and int(major) >= OLDEST_NODE
    says = f"{version} at {node}"
    return ok("Node.js", says) if new_enough else failed("Node.js", says, GET_NODE)


async def session(config: Config, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    """Open a session, as a question would: the agent starts, is logged in, and holds the confinement."""
    async with anyio.create_task_group() as tasks:
        opener = AgentOpener(config, environ, tasks)
        try:
            with anyio.fail_after(SESSION_LIMIT_S):
                talk = await opener.open(lambda _line: None)
        except TimeoutError:
            says = f"the agent opened no session within {SESSION_LIMIT_S:g} s"
            yield failed("session", says, "Try CODEX_FUSION_ACP_COMMAND with another codex-acp.")
        except AgentError as error:
            yield failed("session", scrub(f"{error}\n{error.stderr}".strip()), error.remedy)
        except (OSError, subprocess.SubprocessError) as error:
            yield failed("session", f"Codex could not be started: {error}", GET_CODEX)
        else:
            yield ok("session", "opened: Codex is there and logged in, as far as it tells without a model")
            yield _version(talk)
            for notice in talk.notices:
                yield ok("set aside", notice)
        finally:
            await opener.close()
            tasks.cancel_scope.cancel()


def _version(talk: Conversation) -> Check:
    pinned = f"{install.CODEX_ACP_PACKAGE} {install.CODEX_ACP_VERSION}"
    says = talk.about or "unknown"
    if talk.agent_name == pinned:
        return ok("version", says)
    remedy = "Run `codex-fusion setup` for the tested version."
    return failed("version", f"{says}; codex-fusion was tested with {pinned}", remedy)


async def _sandbox(config: Config, environ: Mapping[str, str], argv: tuple[str, ...]) -> AsyncIterator[Check]:
    around = surroundings.survey(config, argv, environ)
    try:
        plan = confinement.plan(config, around.facts, environ)
        yield ok("confinement", plan.description)
        if plan.mode is None:
            return
        if around.facts.codex is None:
            says = "Codex itself was not found, so its sandbox was not tried"
            yield failed("sandbox", says, "Run `codex-fusion setup`, so that Codex is there to be tried.")
            return
        for check in await anyio.to_thread.run_sync(_tried, plan, around):
            yield check
    except FusionError as error:
        yield failed("confinement", str(error), error.remedy)
    finally:
        around.remove()


def _tried(plan: Plan, around: Surroundings) -> list[Check]:
    try:
        tried = probe.try_sandbox(plan, around)
    except (OSError, subprocess.SubprocessError) as error:
        says = f"Codex's sandbox could not be started: {error}"
        return [failed("sandbox", says, GET_CODEX)]
    if not tried.ran:
        problem = probe.judge(plan, tried)
        return [failed("sandbox", f"{problem}\n{tried.said}".strip(), problem.remedy if problem else "")]
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
    if allowed or not succeeded:
        return ok("sandbox", says)
    return failed("sandbox", says, "Do not use this system; report what `doctor` prints.")


def _state_folder(environ: Mapping[str, str]) -> Check:
    folder = nonce.state_folder(environ)
    try:
        nonce.make_private(folder)
    except OSError as error:
        return failed("state folder", f"{folder}: {error}", "Make it yours, or set XDG_STATE_HOME.")
    return ok("state folder", folder)


def _history(environ: Mapping[str, str]) -> Check:
    archive = Archive(environ)
    try:
        archive.make_folder()
    except OSError as error:
        return advice("history", f"debates can't be kept: {error}", f"Make {archive.folder} yours.")
    count = len(archive.ids())
    return ok("history", f"{count} debate{'' if count == 1 else 's'} kept in {archive.folder}")


async def doctor(config: Config, out: TextIO, *, as_json: bool) -> int:
    """Print every check; returns 0 if none failed, else 1."""
    checks: list[Check] = []
    shown = screen(out)
    async for check in examine(config, dict(os.environ)):
        checks.append(check)
        if not as_json:
            show(check, shown)
    count = {severity: sum(c.severity is severity for c in checks) for severity in Severity}
    if as_json:
        report = {"ok": not count[Severity.FAILED], "checks": [c.to_json() for c in checks]}
        out.write(json.dumps(report, indent=2) + "\n")
    else:
        advised = f", {count[Severity.ADVICE]} with advice" if count[Severity.ADVICE] else ""
        well = not count[Severity.FAILED]
        end = f"all ok{advised}" if well else f"{count[Severity.FAILED]} not ok{advised}"
        shown.say(end, Tone.GOOD if well else Tone.BAD)
    return 1 if count[Severity.FAILED] else 0


def show(check: Check, shown: Screen) -> None:
    """One check, for a person."""
    word, tone = _SHOWN[check.severity]
    remedy = f"\n→ {check.remedy}" if check.remedy and check.severity is not Severity.OK else ""
    shown.say(f"{check.name}: {check.says}{remedy}", lead=f"{word:<8}", lead_tone=tone)
