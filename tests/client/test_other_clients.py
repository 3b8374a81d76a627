"""What docs/clients.md says: each block starts our server; Claude Code and Codex are tried for real."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion import tools
from tests.client.conftest import ROOT
from tests.support.bench import home
from tests.support.claude import Claude
from tests.support.raw_mcp import RawMcp
from tests.support.scripted_claude import ScriptedClaude, Tell, Use
from tests.support.scripted_model import Call, Say, ScriptedModel
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = str(Path(sys.executable).with_name("codex-fusion"))
UVX = ("uvx", "--from", "git+https://github.com/<owner>/codex-fusion", "codex-fusion")
NAMES = [tool.name for tool in tools.TOOLS]
PLACEHOLDERS = ("/path/to/project", "${workspaceFolder}", "${input:workspace}")
SERVERS = ("mcpServers", "servers", "context_servers", "mcp_servers")
PAGE = (ROOT / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HOOKS = [block for block in BLOCKS if '"hooks"' in block[1]]
STARTS = [block for block in BLOCKS if block not in HOOKS]


@dataclass(frozen=True)
class Start:
    """How a client is told to start the server."""

    command: tuple[str, ...]
    environment: dict[str, str]


def start(language: str, text: str) -> Start:
    """The one server of a block."""
    if language == "sh":
        words = shlex.split(text)
        return Start(tuple(words[words.index("--") + 1 :]), {})
    read: dict[str, Any] = {"json": json.loads, "toml": tomllib.loads}[language](text)
    [entry] = next(read[key] for key in SERVERS if key in read).values()
    return Start((entry["command"], *entry["args"]), entry.get("env", {}))


def block(language: str, beginning: str) -> str:
    """The block that begins so."""
    [found] = [text for kind, text in STARTS if kind == language and text.startswith(beginning)]
    return str(found)


def status(client: RawMcp) -> str:
    client.greet()
    [listed] = [client.list_tools()["result"]["tools"]]
    assert [tool["name"] for tool in listed] == NAMES
    answer = client.call("tools/call", name="status", arguments={}, **client.envelope)
    return str(answer["result"]["content"][0]["text"])


def test_the_server_answers_as_each_block_here_starts_it(tmp_path: Path) -> None:
    told = [start(*block) for block in STARTS]
    assert {one.command for one in told} == {UVX}
    environments = []
    for one in told:
        set_to = {n: str(tmp_path) if v in PLACEHOLDERS else v for n, v in one.environment.items()}
        environments += [set_to] if set_to not in environments else []
    assert len(environments) == 3  # without any; with a workspace; with a workspace and a time limit
    for environment in environments:
        # Who is told the folder may start it anywhere.
        folder = Path("/") if "CODEX_FUSION_WORKSPACE" in environment else tmp_path
        with RawMcp(folder, {"HOME": str(tmp_path), **environment}, command=(SERVER,)) as client:
            assert status(client).startswith(f"workspace: {tmp_path}\n")


def test_a_server_that_is_started_nowhere_says_what_to_name(tmp_path: Path) -> None:
    with RawMcp(Path("/"), {"HOME": str(tmp_path)}, command=(SERVER,)) as client:
        said = status(client)
    assert "CODEX_FUSION_WORKSPACE='.': that is /, the whole disk" in said


def test_the_hook_here_is_a_command_that_acts_on_a_clear(tmp_path: Path) -> None:
    [(_, text)] = HOOKS
    [group] = json.loads(text)["hooks"]["SessionStart"]
    assert group["matcher"] == "clear"
    program, *arguments = shlex.split(group["hooks"][0]["command"])
    done = subprocess.run(
        [Path(SERVER).with_name(program), *arguments],
        input=json.dumps({"source": "clear", "session_id": "new", "cwd": str(tmp_path)}),
        env={"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stderr == ""
    assert any(tmp_path.glob(".local/state/codex-fusion/**/*"))


def test_a_projects_own_file_gives_claude_the_server(empty_home: Claude) -> None:
    entry = json.loads(block("json", '{\n  "mcpServers": {\n    "codex-fusion": {\n      "type"'))
    entry["mcpServers"]["codex-fusion"] |= {"command": SERVER, "args": []}
    (empty_home.workspace / ".mcp.json").write_text(json.dumps(entry))
    with ScriptedClaude() as api:
        environment = {"ANTHROPIC_BASE_URL": api.url}
        claude = Claude(empty_home.command, empty_home.home, empty_home.workspace, environment)
        assert "Pending approval" in claude.manage("mcp", "list")
        api.script(Use("mcp__codex-fusion__status"), Tell("Done."))
        claude.print("How does it stand?", "--allowedTools", "mcp__codex-fusion")
        [result] = api.results()
    assert result.startswith(f"workspace: {empty_home.workspace}\n")


@pytest.fixture
def codex_home() -> Iterator[Path]:
    with home() as folder:
        (folder / ".codex").mkdir()
        yield folder


def test_codex_calls_it_as_a_server_of_its_own(real_agent: Path, codex_home: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(codex_home), "PATH": os.environ["PATH"]}

    def codex(*arguments: str) -> str:
        done = subprocess.run(
            (real_agent.with_name("codex"), *arguments),
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        return done.stdout

    codex(*shlex.split(block("sh", "codex mcp add"))[1:])
    config = codex_home / ".codex" / "config.toml"
    documented = block("toml", "[mcp_servers")
    written = config.read_text().strip().splitlines()
    assert documented.splitlines()[: len(written)] == written
    with ScriptedModel() as model:
        provider = f'{{ name = "mock", base_url = "{model.url}", wire_api = "responses" }}'
        chosen = f'model = "gpt-5.5"\nmodel_provider = "mock"\nmodel_providers.mock = {provider}\n'
        config.write_text(chosen + documented)
        [listed] = json.loads(codex("mcp", "list", "--json"))
        assert (listed["startup_timeout_sec"], listed["tool_timeout_sec"]) == (60, 1800)
        ours = re.sub(r"command = .*\nargs = .*", f'command = "{SERVER}"', documented)
        config.write_text(chosen + ours)
        model.script(Call("status", {}, "mcp__codex_fusion"), Say("Done."))
        codex("exec", "--strict-config", "--skip-git-repo-check", "How does it stand?")
        [said] = model.tool_outputs()
    assert f"workspace: {tmp_path}\n" in said
