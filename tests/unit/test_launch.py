from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion.config import Config
from codex_fusion.errors import AgentStartError
from codex_fusion.launch import NPX_START_LIMIT_S, START_LIMIT_S, Launch, LaunchSource, Which, find

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/opt/bin:/usr/bin"


def on_path(**commands: str) -> Which:
    """A `which` that finds these, by name with `_` for `-`, and nothing else."""

    def which(cmd: str, /, *, path: str | None = None) -> str | None:
        assert path == PATH
        return commands.get(cmd.replace("-", "_"))

    return which


def put_installed(data: Path) -> Path:
    """What `install` leaves in a data folder."""
    modules = data / "codex-fusion" / "codex-acp-2.6.0" / "node_modules"
    for name, version in (
        ("@agentclientprotocol/codex-acp", "2.6.0"),
        ("@openai/codex", "0.166.0"),
        ("@openai/codex-linux-x64", "0.166.0-linux-x64"),
    ):
        (modules / name).mkdir(parents=True)
        (modules / name / "package.json").write_text(json.dumps({"version": version}))
    (modules / ".bin").mkdir()
    (modules / ".bin" / "codex-acp").touch()
    return modules / ".bin" / "codex-acp"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"PATH": PATH, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}


EVERYWHERE = on_path(codex_acp="/opt/bin/codex-acp", npx="/usr/bin/npx", mine="/opt/bin/mine")


def test_the_configured_command_comes_first(tmp_path: Path, environ: Mapping[str, str]) -> None:
    put_installed(tmp_path)
    config = Config(workspace=tmp_path, acp_command=("mine", "--flag", "a b"))
    launch = find(config, environ, which=EVERYWHERE)
    assert launch == Launch(("/opt/bin/mine", "--flag", "a b"), LaunchSource.CONFIGURED, START_LIMIT_S)


def test_a_configured_npx_has_the_time_to_download(tmp_path: Path, environ: Mapping[str, str]) -> None:
    launch = find(Config(tmp_path, acp_command=("npx", "-y", "other")), environ, which=EVERYWHERE)
    assert launch.source is LaunchSource.CONFIGURED
    assert launch.start_limit_s == NPX_START_LIMIT_S


def test_a_configured_command_that_is_missing_is_an_error_and_no_other_is_taken(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    put_installed(tmp_path)
    with pytest.raises(AgentStartError, match="CODEX_FUSION_ACP_COMMAND starts with 'misspelt'") as caught:
        find(Config(tmp_path, acp_command=("misspelt",)), environ, which=EVERYWHERE)
    assert caught.value.remedy


def test_a_configured_relative_command_is_made_absolute(tmp_path: Path, environ: Mapping[str, str]) -> None:
    launch = find(Config(tmp_path, acp_command=("mine",)), environ, which=on_path(mine="bin/mine"))
    assert launch.argv == (str(Path.cwd() / "bin" / "mine"),)


def test_the_installed_one_comes_before_the_one_on_path(tmp_path: Path, environ: Mapping[str, str]) -> None:
    command = put_installed(tmp_path)
    launch = find(Config(tmp_path), environ, which=EVERYWHERE)
    assert launch == Launch((str(command),), LaunchSource.INSTALLED, START_LIMIT_S)


def test_the_one_on_path_comes_before_npx(tmp_path: Path, environ: Mapping[str, str]) -> None:
    launch = find(Config(tmp_path), environ, which=EVERYWHERE)
    assert launch == Launch(("/opt/bin/codex-acp",), LaunchSource.ON_PATH, START_LIMIT_S)


def test_npx_is_last_with_pinned_versions_time_to_download_and_a_folder_outside_the_workspace(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    assert find(Config(tmp_path), environ, which=on_path(npx="/usr/bin/npx")) == Launch(
        (
            "/usr/bin/npx",
            "-y",
            "--package=@agentclientprotocol/codex-acp@2.6.0",
            "--package=@openai/codex@0.166.0",
            "codex-acp",
        ),
        LaunchSource.NPX,
        NPX_START_LIMIT_S,
        cwd=Path("/usr/bin"),
    )


def test_a_command_that_only_a_relative_entry_of_path_leads_to_is_not_taken(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    which = on_path(codex_acp="node_modules/.bin/codex-acp", npx="/usr/bin/npx")
    assert find(Config(tmp_path), environ, which=which).source is LaunchSource.NPX


def test_with_nothing_to_start_the_error_says_what_to_install(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    with pytest.raises(AgentStartError, match="neither codex-acp nor npx") as caught:
        find(Config(tmp_path), environ, which=on_path())
    assert "codex-fusion setup" in caught.value.remedy


def test_the_search_goes_through_the_path_of_the_given_environment(tmp_path: Path) -> None:
    program = tmp_path / "codex-acp"
    program.touch(mode=0o755)
    launch = find(Config(tmp_path), {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert launch.argv == (str(program),)
