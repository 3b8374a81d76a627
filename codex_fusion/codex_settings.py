"""The settings of Codex that confine it, and how they are merged over the user's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_fusion.config import Confinement
from codex_fusion.environment import command_variables
from codex_fusion.errors import ConfinementError

if TYPE_CHECKING:
    from codex_fusion.config import Config
    from codex_fusion.facts import Facts

FEATURES = {
    # Each of these reaches beyond the sandbox: hosted services, programs that Codex itself runs, agents of
    # its own, permissions asked for in another way, a sandbox that can't hide files.
    **dict.fromkeys(
        (
            "apps",
            "browser_use",
            "browser_use_external",
            "browser_use_full_cdp_access",
            "chronicle",
            "code_mode",
            "code_mode_only",
            "computer_use",
            "exec_permission_approvals",
            "goals",
            "guardian_approval",
            "hooks",
            "image_generation",
            "in_app_browser",
            "memories",
            "multi_agent",
            "multi_agent_v2",
            "network_proxy",
            "plugins",
            "remote_control",
            "remote_plugin",
            "request_permissions_tool",
            "shell_snapshot",
            "skill_mcp_dependency_install",
            "tool_suggest",
            "use_legacy_landlock",
        ),
        False,
    ),
    # What is typed into a command that was let out of the sandbox is asked as well.
    "write_stdin_approval": True,
}

DROPPED = frozenset({"hooks", "profile", "profiles", "sandbox_mode", "sandbox_workspace_write"})
"""Settings that the plan has no use for, and that could only loosen it."""

LAUNCHER_ONLY = frozenset({"default_permissions", "permissions", "projects"})
"""What counts only as an option of the app-server: a session's own word for it is not heard, or replaced."""

_UNDER_OURS = frozenset({"features", "shell_environment_policy"})
"""Tables in which the user's entries stay, under ours."""


def reads_outside(config: Config) -> bool:
    """Whether Codex's commands may read what lies outside the workspace."""
    return config.allow.external_reads or config.confinement is Confinement.READ_ONLY


def settings(config: Config, facts: Facts) -> dict[str, Any]:
    """Every setting that the plan decides, by its name in Codex's configuration."""
    network = config.allow.external_reads
    given = _given_to_commands(facts)
    profile = {"filesystem": _filesystem(config, facts), "network": {"enabled": network}}
    folders = (facts.workspace, *facts.workspace.parents)
    decided = {
        "default_permissions": facts.profile,
        "permissions": {facts.profile: profile},
        # An untrusted folder's .codex is not loaded. A folder's own entry counts before those above it.
        "projects": {str(folder): {"trust_level": "untrusted"} for folder in folders},
        "approval_policy": "on-request",
        "approvals_reviewer": "user",
        # A login shell would run the profile's scripts, and lose the PATH with Codex's own tools.
        "allow_login_shell": False,
        "features": FEATURES,
        "mcp_servers": _servers_off(facts),
        "notify": [],
        "shell_environment_policy": {
            "inherit": "all",
            "ignore_default_excludes": False,
            "experimental_use_profile": False,
            "exclude": [],
            "include_only": [*command_variables(config.pass_env, network=network), *given],
            "set": given,
        },
    }
    return decided if network else {**decided, "web_search": "disabled"}


def _given_to_commands(facts: Facts) -> dict[str, str]:
    """Variables that Codex's commands get beside those of the agent."""
    given = {
        # In the sandbox each readable folder is a file system of its own, and git looks no further than one.
        "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
        # Codex's shells have a socket for stdin. A bash of the first level takes that for a remote login and
        # runs ~/.bashrc, zsh runs ~/.zshenv: with the keys that users set there.
        "SHLVL": "1",
        "ZDOTDIR": str(facts.scratch),
    }
    if facts.foreign_repository is not None:
        # The user's git configuration is not there in the sandbox, and with it what it says to trust.
        given["GIT_CONFIG_COUNT"] = "1"
        given["GIT_CONFIG_KEY_0"] = "safe.directory"
        given["GIT_CONFIG_VALUE_0"] = str(facts.foreign_repository)
    return given


def _filesystem(config: Config, facts: Facts) -> dict[str, Any]:
    readable = [*facts.codex_folders, *facts.system_folders, *facts.git_folders, *config.read_roots]
    entries: dict[str, Any] = {":root" if reads_outside(config) else ":minimal": "read"}
    entries |= {str(path): "read" for path in (*readable, facts.scratch)}
    entries[":workspace_roots"] = {".": "write" if config.allow.writes else "read"}
    if facts.launcher.is_relative_to(facts.workspace):
        entries[str(facts.launcher)] = "read"
    inside = facts.codex_home.is_relative_to(facts.workspace)
    if inside or facts.user_rules or config.allow.external_reads:
        # Codex's login. That anything is denied has a second effect: a rule of the user's that allows
        # a command no longer leads out of the sandbox. And a third: without `external_reads`, what Claude
        # lets out of the sandbox gets all of the disk but no network. So it is not denied without need.
        entries[str(facts.codex_home if inside else facts.codex_home / "auth.json")] = "deny"
    return entries


def _servers_off(facts: Facts) -> dict[str, Any]:
    """Every MCP server that a file names, switched off.

    The workspace's files are not loaded at all; this is the second lock. Its servers get a command as
    well: where the definition of a server is not loaded, one without a command is an error.
    """
    named = {name for layer in facts.user_layers for name in layer.servers}
    strangers = {name for layer in facts.workspace_layers for name in layer.servers} - named
    off: dict[str, Any] = {name: {"enabled": False} for name in sorted(named)}
    return off | {name: {"command": "false", "enabled": False} for name in sorted(strangers)}


def read_codex_config(text: str) -> dict[str, Any]:
    """The user's CODEX_CONFIG.

    :raises ConfinementError: it is not what codex-acp wants.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        reason = f"CODEX_CONFIG is no valid JSON: {error}"
        raise ConfinementError(reason, "Correct it, or remove it.") from error
    if not isinstance(value, dict):
        raise ConfinementError(f"CODEX_CONFIG is no JSON object: {text[:80]!r}", "Correct it, or remove it.")
    return value


def decided_by_us(key: str, ours: Mapping[str, Any]) -> bool:
    """Does this setting not count where the user says it? A dotted key goes into its first part's table."""
    return (top := key.partition(".")[0]) in ours or top in DROPPED


def session_settings(own: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """`ours` over the user's CODEX_CONFIG."""
    kept = {
        key: value
        for key, value in own.items()
        if not decided_by_us(key, ours) or (key in _UNDER_OURS and isinstance(value, Mapping))
    }
    return _merged(kept, {key: value for key, value in ours.items() if key not in LAUNCHER_ONLY})


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        nested = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(below or {}, value) if nested else value
    return result


def provider_variables(configuration: object) -> tuple[str, ...]:
    """The variables in which the model providers of a configuration find their keys."""
    providers = configuration.get("model_providers") if isinstance(configuration, Mapping) else None
    found: list[object] = []
    for provider in providers.values() if isinstance(providers, Mapping) else ():
        if isinstance(provider, Mapping):
            headers = provider.get("env_http_headers")
            found += [provider.get("env_key"), *(headers.values() if isinstance(headers, Mapping) else ())]
    return tuple(name for name in found if isinstance(name, str))


def toml(value: object) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{toml(key)}={toml(item)}" for key, item in value.items()) + "}"
    assert isinstance(value, list | tuple)  # noqa: S101 the settings hold nothing else
    return "[" + ",".join(map(toml, value)) + "]"
