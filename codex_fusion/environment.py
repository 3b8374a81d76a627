"""Which variables reach the agent, and which of those reach Codex's commands. Pure: two allowlists.

What is in the agent's environment, its commands could read; so it gets what it needs and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LAUNCH_VARIABLE = "CODEX_FUSION_LAUNCH"
"""What `launcher` reads: the one variable of ours that an agent gets."""

_COMMAND = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "LANGUAGE", "LC_*", "TMPDIR")
"""What any program needs."""
_NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
_AGENT = (
    "TEMP",
    "TMP",
    "XDG_*",
    "DBUS_SESSION_BUS_ADDRESS",  # the keyring, where Codex may keep the login
    "CODEX_*",
    "OPENAI_*",
    # codex-acp
    "MODEL_PROVIDER",
    "NO_BROWSER",
    "DEFAULT_AUTH_REQUEST",
    "INITIAL_AGENT_MODE",
    "APP_SERVER_LOGS",
    # Node's version managers, whose `node` is a script that looks for itself; and where npx fetches from.
    "ASDF_DATA_DIR",
    "ASDF_DIR",
    "FNM_DIR",
    "FNM_MULTISHELL_PATH",
    "MISE_DATA_DIR",
    "NODENV_ROOT",
    "NVM_BIN",
    "NVM_DIR",
    "VOLTA_HOME",
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_USERCONFIG",
    "npm_config_cache",
    "npm_config_registry",
    "npm_config_userconfig",
    # Windows
    "APPDATA",
    "COMSPEC",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMDATA",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERPROFILE",
    "WINDIR",
)
_NEVER = (
    "ANTHROPIC_*",
    "CLAUDE*",
    "CODEX_FUSION_*",
    # What Codex gives its own children: of a Codex that we run under, it would mislead ours. An exec server
    # would run the commands somewhere else, in no sandbox of ours.
    "CODEX_APPLY_*",
    "CODEX_CI",
    "CODEX_EXEC_SERVER_*",
    "CODEX_INTERNAL_*",
    "CODEX_MANAGED_*",
    "CODEX_NETWORK_*",
    "CODEX_PERMISSION_PROFILE",
    "CODEX_SANDBOX*",
    "CODEX_SESSION_ID",
    "CODEX_SHELL_SNAPSHOT_*",
    "CODEX_SNAPSHOT_*",
    "CODEX_THREAD_ID",
    "CODEX_TOOL_CALL_ID",
)


def agent_environment(environ: Mapping[str, str], pass_env: tuple[str, ...]) -> dict[str, str]:
    """What of `environ` the agent gets: the allowlist, and what the user names in `pass_env`.

    What `_NEVER` names passes on no account but the user's own word for that very variable.
    """
    allowed = (*_COMMAND, *_NETWORK, *_AGENT)
    return {
        name: value
        for name, value in environ.items()
        if name in pass_env or (_among(name, allowed) and not _among(name, _NEVER))
    }


def command_variables(pass_env: tuple[str, ...], *, network: bool) -> tuple[str, ...]:
    """What Codex's commands get, as patterns for its `shell_environment_policy`.

    Proxies (which may hold a password) only where there is a network. Codex itself then leaves out
    whatever has KEY, SECRET or TOKEN in its name, `pass_env` included.
    """
    return (*_COMMAND, *(_NETWORK if network else ()), *pass_env)


def _among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)
