"""The plugin as Claude Code's own command line sees it, and what its parts say of each other."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion import tools
from tests.client.conftest import ROOT, TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.claude import Claude

PARTS = ROOT / ".claude-plugin"
NAMES = {tool.name for tool in tools.TOOLS}


def manifest(name: str) -> Any:  # noqa: ANN401 JSON
    return json.loads((PARTS / name).read_text())


def header(file: Path, field: str) -> str:
    """A field of a Markdown file's front matter."""
    found = re.search(rf"^{field}: (.+)$", file.read_text().split("---")[1], re.MULTILINE)
    assert found, f"{file} has no {field}"
    return found[1]


@pytest.mark.parametrize(
    "what", [".", ".claude-plugin/plugin.json", ".claude-plugin/commands", ".claude-plugin/skills"]
)
def test_the_client_validates_it_without_a_warning(empty_home: Claude, what: str) -> None:
    said = empty_home.manage("plugin", "validate", "--strict", str(ROOT / what))
    assert "✔ Validation passed" in said
    assert "⚠" not in said


def test_the_client_finds_all_its_parts(empty_home: Claude) -> None:
    said = empty_home.manage("plugin", "validate", str(ROOT))
    assert "hooks: SessionStart clear command" in said
    assert "mcpServers: codex stdio python3" in said
    assert "skills: fusion:codex-second-opinion" in said
    assert re.findall(r"commands: fusion:(\S+)", said) == ["ask", "plan", "review", "status"]


def test_it_is_installed_from_a_folder_in_two_commands(empty_home: Claude, clone: Path) -> None:
    empty_home.manage("plugin", "marketplace", "add", str(clone))
    empty_home.manage("plugin", "install", "fusion@codex-fusion")
    listed = empty_home.manage("plugin", "list")
    assert "fusion@codex-fusion" in listed
    assert "✔ enabled" in listed


def test_it_has_the_version_of_the_package() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest("plugin.json")["version"] == package["version"]


def test_a_command_allows_only_tools_that_ask_or_tell() -> None:
    harmless = {f"{TOOLS}__{tool.name}" for tool in tools.TOOLS if tool.asks or tool.name == "status"}
    for command in (PARTS / "commands").glob("*.md"):
        assert set(header(command, "allowed-tools").split(", ")) <= harmless, command


def test_its_texts_name_only_tools_and_arguments_that_there_are() -> None:
    arguments = {field for tool in tools.TOOLS for field in tool.arguments.model_fields}
    for text in PARTS.rglob("*.md"):
        named = set(re.findall(r"`([a-z_]+)`", text.read_text()))
        assert named <= NAMES | arguments, (text, named - NAMES - arguments)


def test_the_skill_tells_in_one_line_when_to_use_it() -> None:
    skill = PARTS / "skills" / "codex-second-opinion" / "SKILL.md"
    assert header(skill, "name") == skill.parent.name
    assert len(header(skill, "description")) <= 300
