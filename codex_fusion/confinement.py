"""How Codex is held: from the configuration and what is on the disk to one frozen plan. Pure.

Codex's own sandbox does it, by a *permission profile*. The plan reaches Codex in four ways:

- `launcher_overrides`: `-c` options for the app-server, which `launcher` puts before its arguments. Only here
  can a profile be defined, and the workspace be declared untrusted, so that its `.codex` is not loaded.
- `CODEX_CONFIG`: the settings of each session. codex-acp sends them, table by table, in place of the options
  of the same name (and always sends `features`), so what must hold stands in both.
- `INITIAL_AGENT_MODE`: the mode of new sessions. Where codex-acp does not know the name it falls back to an
  open mode, without a word; so `check` compares what it reports.
- the environment: an allowlist, and another, smaller one for Codex's commands.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_fusion.codex_settings import (
    decided_by_us,
    provider_variables,
    read_codex_config,
    reads_outside,
    session_settings,
    settings,
    toml,
)
from codex_fusion.config import Confinement
from codex_fusion.environment import LAUNCH_VARIABLE, agent_environment
from codex_fusion.errors import ConfinementError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_fusion.config import Config
    from codex_fusion.facts import Facts

MODE_PREFIX = "permission-profile:"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at the start of an agent, and what to say of it."""

    environment: Mapping[str, str]
    """All of the agent's environment."""
    launcher_overrides: tuple[str, ...]
    """Each is the value of one `-c` option."""
    mode: str | None
    """What the agent must report as the mode of every session; None: nothing was asked."""
    set_aside: tuple[str, ...]
    """What was found in the workspace and in the user's configuration, and does not count."""
    description: str
    """What is in force, in plain words."""
    reads_outside: bool
    writes_inside: bool
    network: bool
    """What Codex's commands can do unasked."""


def plan(config: Config, facts: Facts, environ: Mapping[str, str]) -> Plan:
    """How Codex is to be held.

    :raises ConfinementError: it can't be, as things are.
    """
    if config.confinement is Confinement.AGENT:
        return _unconfined(agent_environment(environ, config.pass_env))
    _refuse_what_cannot_be_held(config, facts)
    own = read_codex_config(environ.get("CODEX_CONFIG", ""))
    # Variables that the user told Codex to find keys in: without them his model would be lost.
    keys = [name for layer in facts.user_layers for name in layer.provider_variables]
    base = agent_environment(environ, (*config.pass_env, *keys, *provider_variables(own)))
    decided = settings(config, facts)
    overrides = tuple(f"{key}={toml(value)}" for key, value in decided.items())
    search = None if facts.codex_search is None else str(facts.codex_search)
    mode = MODE_PREFIX + facts.profile
    return Plan(
        environment={
            **base,
            # Codex asks git for the repository's state, outside the sandbox, and a filter in a repository's
            # configuration is a program. So its own git finds none; its commands don't get this variable.
            "GIT_DIR": os.devnull,
            "CODEX_CONFIG": json.dumps(session_settings(own, decided)),
            "CODEX_PATH": str(facts.launcher),
            "INITIAL_AGENT_MODE": mode,
            LAUNCH_VARIABLE: json.dumps({"codex": facts.codex, "search": search, "overrides": overrides}),
        },
        launcher_overrides=overrides,
        mode=mode,
        set_aside=(*_of_a_home(config, facts), *_of_the_workspace(facts), *_of_the_user(facts, own, decided)),
        description=_description(config, facts),
        reads_outside=reads_outside(config),
        writes_inside=config.allow.writes,
        network=config.allow.external_reads,
    )


def check(asked: Plan, reported: str | None) -> ConfinementError | None:
    """What is wrong with the mode that the agent reports for a session; None: it is what was asked."""
    if asked.mode is None or reported == asked.mode:
        return None
    said = "no mode at all" if reported is None else f"the mode {reported!r}"
    return ConfinementError(
        f"Codex is not confined as asked: {asked.mode!r} was asked, and the agent reports {said}. "
        "No prompt was sent.",
        "Run `codex-fusion doctor` to see why. An agent other than codex-acp, or another version of it, "
        "may not know permission profiles; CODEX_FUSION_CONFINEMENT=agent accepts what it does by itself.",
    )


def sandbox_argv(held: Plan, codex: tuple[str, ...], command: tuple[str, ...]) -> tuple[str, ...]:
    """The command line that runs `command` in the plan's sandbox, without a model. Not for mode None."""
    assert held.mode is not None  # noqa: S101 without a mode there is no sandbox to run it in
    options = (word for override in held.launcher_overrides for word in ("-c", override))
    return (*codex, "sandbox", "-P", held.mode.removeprefix(MODE_PREFIX), *options, "--", *command)


def _unconfined(environment: Mapping[str, str]) -> Plan:
    return Plan(
        environment=environment,
        launcher_overrides=(),
        mode=None,
        set_aside=(),
        description="agent: codex-fusion confines nothing. Codex acts in whatever mode it starts in, and "
        "Claude is asked only what the agent asks.",
        reads_outside=True,
        writes_inside=True,
        network=True,
    )


def _refuse_what_cannot_be_held(config: Config, facts: Facts) -> None:
    if facts.platform == "win32":
        raise ConfinementError(
            f"Codex can't be confined on Windows, as CODEX_FUSION_CONFINEMENT={config.confinement} asks.",
            "Run codex-fusion in WSL, or set CODEX_FUSION_CONFINEMENT=agent if you accept "
            "that Codex is held by nothing but its own judgement.",
        )
    for layer in facts.user_layers:
        if layer.problem:
            raise ConfinementError(
                f"What Codex would start is not known: its configuration {layer.path} {layer.problem}.",
                "Correct that file, then try again.",
            )


def _of_a_home(config: Config, facts: Facts) -> list[str]:
    """What to say of a workspace that a client chose by starting us at home, for want of a better place."""
    if reads_outside(config) or not facts.codex_home.is_relative_to(facts.workspace):
        return []
    said = (
        f"The workspace {facts.workspace} holds {facts.codex_home}: is it your home? Codex's commands can "
        "read all of it but that folder. CODEX_FUSION_WORKSPACE names another."
    )
    return [said]


def _of_the_workspace(facts: Facts) -> list[str]:
    lines = [
        f"{layer.path}, which belongs to the workspace, is not loaded. It "
        f"{layer.problem or 'sets: ' + (_listed(layer.settings, layer.servers) or 'nothing')}."
        for layer in facts.workspace_layers
    ]
    if facts.workspace_files:
        lines.append(f"Not obeyed, only readable as files: {', '.join(facts.workspace_files)}.")
    if facts.unverified_git is not None:
        lines.append(
            f"The workspace names {facts.unverified_git} as its git folder, which does not name the "
            "workspace in turn: it stays unreadable. If it is yours, put it into CODEX_FUSION_READ_ROOTS."
        )
    return lines


def _of_the_user(facts: Facts, own: Mapping[str, Any], decided: Mapping[str, Any]) -> list[str]:
    sources = [(str(layer.path), layer.settings, layer.servers) for layer in facts.user_layers]
    sources.append(("CODEX_CONFIG", tuple(own), ()))
    lines = [
        f"Of your {name} these do not count here, or only where they loosen nothing: {what}."
        for name, found, servers in sources
        if (what := _listed(tuple(key for key in found if decided_by_us(key, decided)), servers))
    ]
    if facts.user_rules:
        files = ", ".join(map(str, facts.user_rules))
        lines.append(
            f"What your rules in {files} allow runs inside the sandbox here, not outside. While they exist, "
            "what Claude lets run outside has no network, unless CODEX_FUSION_ALLOW_EXTERNAL_READS is set."
        )
    return lines


def _listed(found: tuple[str, ...], servers: tuple[str, ...]) -> str:
    names = [name for name in found if name != "mcp_servers" or not servers]
    return ", ".join([*names, *(f"the MCP server {name!r}" for name in servers)])


def _description(config: Config, facts: Facts) -> str:
    allow = config.allow
    if reads_outside(config):
        login = " except Codex's own login" if allow.external_reads or facts.user_rules else ""
        reads = f"Codex's commands can read everything that you can{login}"
    else:
        also = map(str, (*facts.git_folders, *config.read_roots))
        reads = ", ".join(["Codex's commands can read the workspace", *also])
        reads += " and the system's tools; other files do not exist for them"
    return (
        f"{config.confinement}, by Codex's own sandbox: {reads}. "
        f"They can {'write inside the workspace (but not its .git)' if allow.writes else 'write nothing'} "
        f"and {'reach' if allow.external_reads else 'do not reach'} the network. "
        f"What is to run outside the sandbox is {'allowed' if allow.commands else 'asked of Claude'}."
    )
