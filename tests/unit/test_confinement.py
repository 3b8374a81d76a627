from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.codex_settings import FEATURES, provider_variables, session_settings, settings, toml
from codex_fusion.config import Allowances, Config, Confinement
from codex_fusion.confinement import Plan, check, plan, sandbox_argv
from codex_fusion.environment import LAUNCH_VARIABLE, agent_environment, command_variables
from codex_fusion.errors import ConfinementError
from codex_fusion.facts import Facts, Layer

WORKSPACE = Path("/w/my.repo")
HOME = Path("/h/.codex")
FACTS = Facts(
    workspace=WORKSPACE,
    profile="fusion0123",
    codex_home=HOME,
    launcher=Path("/t/codex-launcher"),
    scratch=Path("/t/scratch"),
    codex=("/n/codex",),
    codex_folders=(Path("/n"),),
)
STRICT = Config(WORKSPACE)
WRITES = Config(WORKSPACE, allow=Allowances(writes=True))
READS = Config(WORKSPACE, allow=Allowances(external_reads=True))
READ_ONLY = Config(WORKSPACE, confinement=Confinement.READ_ONLY)


def overrides(made: Plan) -> dict[str, Any]:
    """The `-c` options, read as codex reads them."""
    pairs = (option.split("=", 1) for option in made.launcher_overrides)
    return {key: tomllib.loads(f"x = {value}")["x"] for key, value in pairs}


def session_of(made: Plan) -> dict[str, Any]:
    value = json.loads(made.environment["CODEX_CONFIG"])
    assert isinstance(value, dict)
    return value


def filesystem(config: Config, facts: Facts = FACTS) -> dict[str, Any]:
    profile = overrides(plan(config, facts, {}))["permissions"][facts.profile]["filesystem"]
    assert isinstance(profile, dict)
    return profile


def test_strict_reads_the_workspace_and_codexs_installation_and_nothing_else() -> None:
    assert filesystem(STRICT) == {
        ":minimal": "read",
        "/n": "read",
        "/t/scratch": "read",
        ":workspace_roots": {".": "read"},
    }


def test_strict_reads_what_git_the_system_and_the_user_need() -> None:
    facts = replace(FACTS, git_folders=(Path("/g/.git"),), system_folders=(Path("/opt"),))
    entries = filesystem(replace(STRICT, read_roots=(Path("/r"),)), facts)
    assert [entries[name] for name in ("/g/.git", "/opt", "/r")] == ["read"] * 3


def test_writes_open_the_workspace_and_leave_reading_as_it_was() -> None:
    entries = filesystem(WRITES)
    assert entries[":workspace_roots"] == {".": "write"}
    assert ":root" not in entries


@pytest.mark.parametrize("config", [READS, READ_ONLY])
def test_external_reads_and_read_only_read_the_whole_disk(config: Config) -> None:
    entries = filesystem(config)
    assert entries[":root"] == "read"
    assert entries[":workspace_roots"] == {".": "read"}


def test_only_external_reads_open_the_network() -> None:
    for config in (STRICT, WRITES, READ_ONLY, READS):
        network = overrides(plan(config, FACTS, {}))["permissions"]["fusion0123"]["network"]
        assert network == {"enabled": config is READS}


def test_commands_change_nothing_in_the_sandbox() -> None:
    allowed = replace(STRICT, allow=Allowances(commands=True))
    assert plan(allowed, FACTS, {}).launcher_overrides == plan(STRICT, FACTS, {}).launcher_overrides
    assert "allowed" in plan(allowed, FACTS, {}).description


def test_codexs_login_is_denied_where_it_could_leave_by_the_network() -> None:
    assert filesystem(READS)["/h/.codex/auth.json"] == "deny"


def test_rules_of_the_user_make_a_denial_because_that_keeps_them_inside() -> None:
    facts = replace(FACTS, user_rules=(HOME / "rules/default.rules",))
    assert filesystem(STRICT, facts)["/h/.codex/auth.json"] == "deny"
    assert "default.rules" in plan(STRICT, facts, {}).set_aside[0]
    assert "except Codex's own login" in plan(READ_ONLY, facts, {}).description


def test_a_codex_home_inside_the_workspace_is_denied_whole() -> None:
    entries = filesystem(STRICT, replace(FACTS, codex_home=WORKSPACE / ".codex"))
    assert entries["/w/my.repo/.codex"] == "deny"
    assert "/w/my.repo/.codex/auth.json" not in entries


def test_a_launcher_inside_the_workspace_can_not_be_written() -> None:
    script = WORKSPACE / "tmp/codex-launcher"
    assert filesystem(WRITES, replace(FACTS, launcher=script))[str(script)] == "read"


def test_the_workspace_and_all_above_it_are_untrusted() -> None:
    made = overrides(plan(STRICT, FACTS, {}))["projects"]
    assert made == {name: {"trust_level": "untrusted"} for name in ("/w/my.repo", "/w", "/")}


def test_claude_is_asked_and_never_codexs_own_reviewer() -> None:
    made = plan(STRICT, FACTS, {})
    for where in (overrides(made), session_of(made)):
        assert (where["approval_policy"], where["approvals_reviewer"]) == ("on-request", "user")


def test_what_must_hold_stands_in_the_session_as_well_as_in_the_options() -> None:
    made = plan(STRICT, FACTS, {})
    alone = {"default_permissions", "permissions", "projects"}
    assert {k: v for k, v in overrides(made).items() if k not in alone} == session_of(made)


def test_no_feature_is_on_that_reaches_beyond_the_sandbox() -> None:
    features = session_of(plan(STRICT, FACTS, {}))["features"]
    assert features == FEATURES
    assert [name for name, on in features.items() if on] == ["write_stdin_approval"]


def test_web_search_is_off_unless_external_reads_leave_it_to_the_user() -> None:
    assert session_of(plan(STRICT, FACTS, {}))["web_search"] == "disabled"
    own = {"CODEX_CONFIG": '{"web_search": "live"}'}
    assert session_of(plan(STRICT, FACTS, own))["web_search"] == "disabled"
    assert session_of(plan(READS, FACTS, own))["web_search"] == "live"


def test_every_mcp_server_that_is_named_is_off() -> None:
    user = Layer(HOME / "config.toml", ("mcp_servers",), ("mine", 'a."b"'))
    stranger = Layer(WORKSPACE / ".codex/config.toml", ("mcp_servers",), ("evil", "mine"))
    facts = replace(FACTS, user_layers=(user,), workspace_layers=(stranger,))
    expected = {
        "mine": {"enabled": False},
        'a."b"': {"enabled": False},
        # Not loaded; but if it were, or were not, this is no error.
        "evil": {"command": "false", "enabled": False},
    }
    made = plan(STRICT, facts, {"CODEX_CONFIG": '{"mcp_servers": {"x": {"command": "y"}}}'})
    assert overrides(made)["mcp_servers"] == session_of(made)["mcp_servers"] == expected


def test_the_users_codex_config_is_kept_where_it_loosens_nothing() -> None:
    own = {
        "model": "m",
        "features": {"hooks": True, "fast_mode": False},
        "features.hooks": True,
        "sandbox_mode": "danger-full-access",
        "hooks": {},
        "permissions": {"x": {}},
        "shell_environment_policy": 1,
    }
    made = plan(STRICT, FACTS, {"CODEX_CONFIG": json.dumps(own)})
    session = session_of(made)
    assert session["model"] == "m"
    assert session["features"] == {**FEATURES, "fast_mode": False}
    assert isinstance(session["shell_environment_policy"], dict)
    assert session.keys().isdisjoint({"features.hooks", "sandbox_mode", "hooks", "permissions"})
    assert "sandbox_mode" in made.set_aside[0]


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "1"])
def test_a_codex_config_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfinementError, match="CODEX_CONFIG"):
        plan(STRICT, FACTS, {"CODEX_CONFIG": text})


def test_a_blank_codex_config_is_none() -> None:
    assert "model" not in session_of(plan(STRICT, FACTS, {"CODEX_CONFIG": " "}))


keys = st.sampled_from(
    ["features", "permissions", "sandbox_mode", "hooks", "mcp_servers", "approval_policy", "model", "notify"]
)
values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | keys, inner, max_size=3)
    ),
    max_leaves=6,
)
configs = st.dictionaries(keys | keys.map(lambda key: key + ".x"), values, max_size=5)


def contains(whole: object, part: object) -> bool:
    """Whether `part` is in `whole`, where tables may hold more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and contains(whole[k], v) for k, v in part.items())
    return whole == part


@given(configs)
def test_whatever_the_user_says_in_codex_config_ours_stands(own: dict[str, Any]) -> None:
    ours = settings(STRICT, FACTS)
    made = session_settings(own, ours)
    alone = {"default_permissions", "permissions", "projects"}
    assert contains(made, {key: value for key, value in ours.items() if key not in alone})
    assert made["mcp_servers"] == {}
    assert not [key for key in made if key.partition(".")[0] in {"permissions", "sandbox_mode", "hooks"}]
    assert [key for key in made if "." in key] == [key for key in own if key == "model.x"]


def test_the_agent_is_told_the_mode_and_the_launcher_and_no_repository() -> None:
    facts = replace(FACTS, codex_search=Path("/npx"))
    environment = plan(STRICT, facts, {"INITIAL_AGENT_MODE": "agent", "CODEX_PATH": "/mine"}).environment
    assert environment["INITIAL_AGENT_MODE"] == "permission-profile:fusion0123"
    assert environment["CODEX_PATH"] == "/t/codex-launcher"
    assert environment["GIT_DIR"] == os.devnull
    launch = json.loads(environment[LAUNCH_VARIABLE])
    assert (launch["codex"], launch["search"]) == (["/n/codex"], "/npx")
    assert json.loads(plan(STRICT, FACTS, {}).environment[LAUNCH_VARIABLE])["search"] is None


def test_commands_get_an_allowlist_and_are_no_login_shells() -> None:
    policy = overrides(plan(replace(STRICT, pass_env=("JAVA_HOME",)), FACTS, {}))["shell_environment_policy"]
    assert {"PATH", "HOME", "JAVA_HOME", "SHLVL"} <= set(policy["include_only"])
    assert not policy["ignore_default_excludes"]
    assert not {"CODEX_*", "OPENAI_*", "GIT_DIR", "HTTPS_PROXY"} & set(policy["include_only"])
    assert policy["set"].keys() <= set(policy["include_only"])
    assert policy["set"]["SHLVL"] == "1"


def test_git_is_told_to_trust_a_repository_of_another_owner() -> None:
    facts = replace(FACTS, foreign_repository=Path("/w"))
    policy = overrides(plan(STRICT, facts, {}))["shell_environment_policy"]
    assert policy["set"]["GIT_CONFIG_VALUE_0"] == "/w"
    assert "GIT_CONFIG_VALUE_0" in policy["include_only"]


def test_agent_asks_for_nothing_and_says_so() -> None:
    environ = {"PATH": "/bin", "CODEX_PATH": "/mine", "CLAUDECODE": "1", "INITIAL_AGENT_MODE": "x"}
    made = plan(Config(WORKSPACE, confinement=Confinement.AGENT), replace(FACTS, platform="win32"), environ)
    assert made.environment == {"PATH": "/bin", "CODEX_PATH": "/mine", "INITIAL_AGENT_MODE": "x"}
    assert made.mode is None
    assert check(made, None) is None
    assert "confines nothing" in made.description
    assert (made.reads_outside, made.writes_inside, made.network) == (True, True, True)


@pytest.mark.parametrize("config", [STRICT, READ_ONLY])
def test_windows_is_refused(config: Config) -> None:
    with pytest.raises(ConfinementError, match="Windows"):
        plan(config, replace(FACTS, platform="win32"), {})


def test_a_user_configuration_that_can_not_be_read_is_refused_and_a_strangers_is_not() -> None:
    broken = Layer(Path("/x/config.toml"), problem="is no valid TOML (line 1)")
    plan(STRICT, replace(FACTS, user_layers=(Layer(Path("/y")),)), {})
    with pytest.raises(ConfinementError, match=r"/x/config.toml is no valid TOML"):
        plan(STRICT, replace(FACTS, user_layers=(broken,)), {})
    made = plan(STRICT, replace(FACTS, workspace_layers=(broken,)), {})
    assert (
        "/x/config.toml, which belongs to the workspace, is not loaded. It is no valid TOML"
        in made.set_aside[0]
    )


def test_what_was_found_is_said() -> None:
    facts = replace(
        FACTS,
        workspace_layers=(
            Layer(Path("/w/my.repo/.codex/config.toml"), ("notify", "mcp_servers"), ("evil",)),
            Layer(Path("/w/my.repo/.codex/empty.toml")),
        ),
        workspace_files=("/w/my.repo/AGENTS.md",),
        unverified_git=Path("/h/.ssh"),
        user_layers=(Layer(HOME / "config.toml", ("model", "approval_policy", "mcp_servers"), ("claude",)),),
    )
    said = plan(STRICT, facts, {}).set_aside
    assert "It sets: notify, the MCP server 'evil'." in said[0]
    assert "It sets: nothing." in said[1]
    assert "AGENTS.md" in said[2]
    assert "/h/.ssh" in said[3]
    assert "CODEX_FUSION_READ_ROOTS" in said[3]
    assert "approval_policy, the MCP server 'claude'." in said[4]
    assert "model" not in said[4]
    assert len(said) == 5


def test_a_workspace_that_seems_to_be_a_home_is_said_where_it_matters() -> None:
    at_home = replace(FACTS, workspace=Path("/h"))
    [said] = plan(STRICT, at_home, {}).set_aside
    assert said.startswith("The workspace /h holds /h/.codex: is it your home?")
    assert "CODEX_FUSION_WORKSPACE" in said
    assert plan(READ_ONLY, at_home, {}).set_aside == ()


def test_nothing_found_is_nothing_said() -> None:
    assert plan(STRICT, FACTS, {}).set_aside == ()


def test_the_description_names_what_is_open() -> None:
    facts = replace(FACTS, git_folders=(Path("/g/.git"),))
    strict = plan(replace(STRICT, read_roots=(Path("/r"),)), facts, {}).description
    assert "the workspace, /g/.git, /r and the system's tools" in strict
    assert "write nothing" in strict
    assert "do not reach the network" in strict
    assert "asked of Claude" in strict
    assert "write inside the workspace" in plan(WRITES, FACTS, {}).description
    assert "and reach the network" in plan(READS, FACTS, {}).description


@pytest.mark.parametrize("reported", [None, "", "agent", "agent-full-access", "permission-profile:fusion"])
def test_any_other_mode_is_refused(reported: str | None) -> None:
    error = check(plan(STRICT, FACTS, {}), reported)
    assert error is not None
    assert "permission-profile:fusion0123" in str(error)
    assert "No prompt was sent" in str(error)
    assert "doctor" in error.remedy


def test_the_mode_that_was_asked_is_accepted() -> None:
    assert check(plan(STRICT, FACTS, {}), "permission-profile:fusion0123") is None


def test_the_sandbox_is_tried_with_the_options_of_the_plan() -> None:
    made = plan(STRICT, FACTS, {})
    argv = sandbox_argv(made, ("/n/codex",), ("ls", "-l"))
    assert argv[:4] == ("/n/codex", "sandbox", "-P", "fusion0123")
    assert argv[-3:] == ("--", "ls", "-l")
    assert argv[5:-3:2] == made.launcher_overrides


def test_claudes_keys_never_reach_the_agent_and_codexs_do() -> None:
    environ = {
        "PATH": "/bin",
        "LC_TIME": "C",
        "OPENAI_API_KEY": "k",
        "CODEX_API_KEY": "k",
        "HTTPS_PROXY": "p",
        "XDG_STATE_HOME": "/s",
        "ANTHROPIC_API_KEY": "k",
        "CLAUDECODE": "1",
        "CLAUDE_CODE_OAUTH_TOKEN": "k",
        "CODEX_FUSION_LOG": "x",
        "CODEX_EXEC_SERVER_URL": "x",
        "CODEX_SANDBOX": "x",
        "AWS_SECRET_ACCESS_KEY": "k",
        "GH_TOKEN": "k",
        "LD_PRELOAD": "x",
        "NODE_OPTIONS": "x",
        "BASH_ENV": "x",
        "PYTHONPATH": "x",
    }
    expected = {"PATH", "LC_TIME", "OPENAI_API_KEY", "CODEX_API_KEY", "HTTPS_PROXY", "XDG_STATE_HOME"}
    assert agent_environment(environ, ()).keys() == expected
    assert agent_environment(environ, ("GH_TOKEN",)).keys() == expected | {"GH_TOKEN"}


def test_proxies_reach_commands_only_with_a_network() -> None:
    assert "HTTPS_PROXY" not in command_variables((), network=False)
    assert "HTTPS_PROXY" in command_variables((), network=True)


def test_the_keys_of_the_users_model_providers_reach_the_agent() -> None:
    layer = Layer(HOME / "config.toml", provider_variables=("MY_KEY",))
    own = {"model_providers": {"a": {"env_key": "OTHER", "env_http_headers": {"X": "THIRD"}}}}
    environ = {"MY_KEY": "1", "OTHER": "2", "THIRD": "3", "FOURTH": "4", "CODEX_CONFIG": json.dumps(own)}
    environment = plan(STRICT, replace(FACTS, user_layers=(layer,)), environ).environment
    assert {"MY_KEY", "OTHER", "THIRD"} <= environment.keys()
    assert "FOURTH" not in environment


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        {"model_providers": []},
        {"model_providers": {"a": 1}},
        {"model_providers": {"a": {"env_key": 1}}},
    ],
)
def test_providers_that_name_no_variable_are_passed_over(configuration: object) -> None:
    assert provider_variables(configuration) == ()


@given(st.dictionaries(st.text(), st.text() | st.booleans() | st.lists(st.text())))
def test_what_is_written_as_toml_is_read_back_as_it_was(value: dict[str, object]) -> None:
    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}
