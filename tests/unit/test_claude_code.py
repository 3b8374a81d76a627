"""What Claude Code's files tell of us; whatever is in them, reading them raises nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import claude_code
from codex_fusion.claude_code import ClaudeCode, Entry, Hook

if TYPE_CHECKING:
    from pathlib import Path

HOOKS = {
    "SessionStart": [
        {"matcher": "clear", "hooks": [{"type": "command", "command": "python3 x/session_reset.py"}]}
    ]
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Home:
    """A home folder with Claude Code's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.environ = {"HOME": str(folder)}

    @property
    def claude(self) -> ClaudeCode:
        return ClaudeCode(self.environ, self.workspace)

    def put(self, name: str, value: object) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else json.dumps(value))

    def plugin(self, *, enabled: object = True, shape: object = None) -> Path:
        """Our plugin as Claude Code 2.1 installs it."""
        root = self.folder / "plugin"
        self.put("plugin/hooks/session_reset.py", "")
        self.put("plugin/hooks/hooks.json", {"hooks": HOOKS})
        self.put(".claude/settings.json", {"enabledPlugins": {claude_code.PLUGIN: enabled}})
        installed = shape or [{"scope": "user", "installPath": str(root), "version": "0.1.0"}]
        self.put(
            ".claude/plugins/installed_plugins.json",
            {"version": 2, "plugins": {claude_code.PLUGIN: installed}},
        )
        return root


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_without_files_there_is_nothing(home: Home) -> None:
    assert (home.claude.entries(), home.claude.hooks(), home.claude.plugin()) == ([], [], None)


def test_an_entry_is_found_wherever_claude_code_takes_it_from(home: Home) -> None:
    ours = {"codex-fusion": {"type": "stdio", "command": "/x/codex-fusion", "args": [], "env": {}}}
    named_otherwise = {"second": {"command": "uvx", "args": ["codex-fusion"], "timeout": 5000}}
    by_module = {
        "third": {"command": "python", "args": ["-m", "codex_fusion.cli"]},
        "another": {"command": "other"},
    }
    project = {str(home.workspace): {"mcpServers": named_otherwise}, "/elsewhere": {"mcpServers": ours}}
    home.put(".claude.json", {"mcpServers": ours, "projects": project})
    home.put("workspace/.mcp.json", {"mcpServers": by_module})
    assert home.claude.entries() == [
        Entry("codex-fusion", "your Claude Code", "/x/codex-fusion"),
        Entry("second", "your Claude Code, for this folder", "uvx", 5000),
        Entry("third", ".mcp.json of this folder", "python"),
    ]


def test_a_configuration_folder_of_ones_own_is_looked_into(home: Home) -> None:
    home.environ["CLAUDE_CONFIG_DIR"] = str(home.folder / "own")
    home.put(".claude.json", {"mcpServers": {"codex-fusion": {"command": "wrong"}}})
    home.put("own/.claude.json", {"mcpServers": {"codex-fusion": {"command": "right"}}})
    home.put("own/settings.json", {"hooks": HOOKS})
    assert [entry.command for entry in home.claude.entries()] == ["right"]
    assert [hook.where for hook in home.claude.hooks()] == ["settings.json"]


def test_the_plugin_brings_the_server_and_the_hook(home: Home) -> None:
    root = home.plugin()
    assert home.claude.entries() == [Entry(claude_code.PLUGIN, "plugin", "python3")]
    assert home.claude.hooks() == [Hook("python3 x/session_reset.py", "plugin", "clear", root)]


def test_an_older_list_of_plugins_is_read_too(home: Home) -> None:
    root = home.plugin(shape={"installPath": str(home.folder / "plugin")})
    assert home.claude.plugin() == root


@pytest.mark.parametrize("enabled", [False, None, "yes"])
def test_a_plugin_that_is_not_enabled_counts_as_none(home: Home, enabled: object) -> None:
    home.plugin(enabled=enabled)
    assert home.claude.plugin() is None


def test_a_plugin_whose_files_are_gone_counts_as_none(home: Home) -> None:
    (home.plugin() / "hooks" / "session_reset.py").unlink()
    assert home.claude.plugin() is None


@pytest.mark.parametrize(
    "command",
    ["codex-fusion hook", "uvx codex-fusion hook", '"/x y/codex-fusion" hook', "python3 session_reset.py"],
)
def test_the_hook_is_known_however_it_is_started(home: Home, command: str) -> None:
    group = {"matcher": "clear", "hooks": [{"type": "command", "command": command}]}
    home.put(".claude/settings.json", {"hooks": {"SessionStart": [group]}})
    assert [hook.command for hook in home.claude.hooks()] == [command]


def test_a_hook_of_the_workspace_is_never_taken_up(home: Home) -> None:
    for name in ("settings.json", "settings.local.json"):
        home.put(f"workspace/.claude/{name}", {"hooks": HOOKS})
    assert home.claude.hooks() == []


def test_hooks_of_others_are_not_ours(home: Home) -> None:
    other = {"matcher": "clear", "hooks": [{"type": "command", "command": "echo hello"}, {"type": "prompt"}]}
    home.put(".claude/settings.json", {"hooks": {"SessionStart": [other], "Stop": HOOKS["SessionStart"]}})
    assert home.claude.hooks() == []


@pytest.mark.parametrize(
    ("matcher", "hears"),
    [("", True), ("*", True), ("clear", True), ("startup|clear", True), ("startup", False), ("(", False)],
)
def test_a_matcher_decides_whether_a_clear_is_heard(matcher: str, *, hears: bool) -> None:
    assert Hook("x", "y", matcher).hears_clear is hears


def test_a_time_limit_comes_from_the_settings_first(home: Home) -> None:
    home.environ["MCP_TIMEOUT"] = "1"
    home.environ["MCP_TOOL_TIMEOUT"] = "2"
    home.put(".claude/settings.json", {"env": {"MCP_TOOL_TIMEOUT": "3"}})
    assert (home.claude.limit_ms("MCP_TIMEOUT"), home.claude.limit_ms("MCP_TOOL_TIMEOUT")) == (1, 3)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5"])
def test_a_time_limit_that_is_no_number_is_none(home: Home, value: str) -> None:
    home.environ["MCP_TIMEOUT"] = value
    assert home.claude.limit_ms("MCP_TIMEOUT") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\x00"])
def test_a_file_that_is_not_as_expected_counts_as_not_there(home: Home, text: str) -> None:
    home.plugin()
    for name in (".claude.json", ".claude/settings.json", ".claude/plugins/installed_plugins.json"):
        home.put(name, text)
    home.put("workspace/.mcp.json", text)
    assert (home.claude.entries(), home.claude.hooks(), home.claude.limit_ms("MCP_TIMEOUT")) == ([], [], None)


@given(JSON, st.sampled_from(["mcpServers", "projects", "hooks", "enabledPlugins", "env", "plugins"]))
def test_whatever_a_file_holds_reading_it_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory, value: object, name: str
) -> None:
    home = Home(tmp_path_factory.getbasetemp() / "any")
    home.put(".claude.json", {name: value})
    home.put("workspace/.mcp.json", {"mcpServers": {"codex-fusion": value}})
    settings = {name: value} if name != "hooks" else {"hooks": {"SessionStart": value}}
    home.put(".claude/settings.json", settings | {"enabledPlugins": {claude_code.PLUGIN: True}})
    home.put(".claude/plugins/installed_plugins.json", {"plugins": {claude_code.PLUGIN: value}})
    home.claude.entries()
    home.claude.hooks()
    home.claude.limit_ms("MCP_TIMEOUT")
