"""What a client sees before any turn: definitions, refusals, and a configuration that can't be served."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from codex_fusion import config as configuration
from codex_fusion import tools
from tests.support.bench import Bench, serving
from tests.support.raw_mcp import ERAS, Era, RawMcp, read
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import ConnectMode

ASKING = ("consult", "review_plan", "review_diff", "brainstorm", "explore", "reply")
NINE = (*ASKING, "permit", "reset", "status")
MODES: tuple[ConnectMode, ...] = ("legacy", "2026-07-28")


@pytest.fixture(scope="module", params=MODES)
async def idle(
    anyio_backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """A server that is never asked for anything that needs an agent."""
    assert anyio_backend == "asyncio"
    workspace = tmp_path_factory.mktemp("idle") / "workspace"
    workspace.mkdir()
    env = {"HOME": str(workspace.parent), "CODEX_FUSION_ACP_COMMAND": "false"}
    async with serving(workspace, env, mode=request.param) as bench:
        yield bench


@pytest.mark.parametrize("era", ERAS)
def test_a_client_of_either_era_gets_nine_small_definitions_and_short_instructions(
    tmp_path: Path, era: Era
) -> None:
    with RawMcp(tmp_path, {}, era) as client:
        greeting = client.greet()
        request = client.request("tools/list", **client.envelope)
        line = client.line()
        client.hang_up()
        assert client.rest() == []
    assert line is not None
    assert len(line) < 8_000
    assert 0 < len(greeting["instructions"].encode()) <= 2_048
    answer = read(line)
    assert answer["id"] == request
    definitions = answer["result"]["tools"]
    assert tuple(tool["name"] for tool in definitions) == NINE
    for tool in definitions:
        assert "outputSchema" not in tool
        assert 0 < len(tool["description"].encode()) <= 2_048
        assert tool["inputSchema"]["additionalProperties"] is False
        assert {"readOnlyHint", "destructiveHint", "openWorldHint"} <= tool["annotations"].keys()


@pytest.mark.anyio
async def test_the_hints_that_are_sent_are_those_of_the_configuration(idle: Bench) -> None:
    listed = (await idle.client.list_tools()).tools
    hints = {tool.name: tool.annotations for tool in listed}
    strict = configuration.read({}, idle.stderr.parent)
    for tool in tools.TOOLS:
        sent = hints[tool.name]
        assert sent is not None
        assert sent.model_dump(by_alias=True, exclude_none=True) == tools.hints(tool, strict)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("ask", {}, ["no tool 'ask'", *NINE]),
        ("consult", {}, ["`question` is missing", "`context` (optional)"]),
        ("consult", {"question": ""}, ["`question` is empty"]),
        ("consult", {"question": 7}, ["`question` is 7", "valid string"]),
        ("consult", {"prompt": "q", "question": "q"}, ["unknown argument `prompt`", "takes `question`"]),
        ("consult", {"question": "q", "timeout_s": 0}, ["`timeout_s` is 0", "greater than 0"]),
        ("consult", {"question": "x" * 1_000_001}, ["1,000,001 characters in `question`", "1,000,000"]),
        ("review_diff", {"diff": "+", "base": "main"}, ["contradictory", "`diff`, `base`"]),
        ("review_diff", {"paths": ["a", ""]}, ["`paths`[1] is empty"]),
        ("permit", {"decision": "yes"}, ["`decision` is 'yes'", "'allow' or 'deny'"]),
        ("permit", {"decision": "allow"}, ["nothing to permit", "not asked anything yet"]),
        ("reply", {"message": "but"}, ["no debate to continue", "`consult`"]),
        ("reset", {"hard": True}, ["unknown argument `hard`", "takes no arguments"]),
    ],
)
async def test_a_call_that_means_nothing_is_told_what_is_valid(
    idle: Bench, tool: str, arguments: dict[str, object], told: list[str]
) -> None:
    result = await idle.call(tool, **arguments)
    assert result.is_error
    assert all(words in result.text for words in told), result.text
    assert result.meta == {}


@pytest.mark.anyio
async def test_status_and_reset_need_no_agent(idle: Bench) -> None:
    status = await idle.call("status")
    assert not status.is_error
    assert "agent: no session (the next call opens one)" in status.text
    assert "now: idle" in status.text
    assert "nothing to drop" in (await idle.call("reset")).text


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_a_wrong_configuration_is_served_and_every_tool_tells_all_of_it(
    tmp_path: Path, mode: ConnectMode
) -> None:
    wrong = {
        "CODEX_FUSION_ALLOW_WRITES": "maybe",
        "CODEX_FUSION_TURN_TIMEOUT_MS": "-1",
        "CODEX_FUSION_FOO": "1",
    }
    async with serving(tmp_path, wrong, mode=mode, log=tmp_path / "server.log") as bench:
        listed = (await bench.client.list_tools()).tools
        results = [await bench.call(tool.name) for tool in listed]
    assert tuple(tool.name for tool in listed) == NINE
    for result in results:
        assert result.is_error
        assert all(name in result.text for name in wrong), result.text
        assert "'maybe'" in result.text
        assert "reconnect" in result.text


def test_garbage_on_stdin_is_left_out_and_the_server_goes_on(tmp_path: Path) -> None:
    garbage = (
        b"",
        b"no JSON",
        b'{"jsonrpc":"2.0","id":7,',
        b"\xff\xfe{}",
        b"7",
        b"null",
        b'[{"jsonrpc":"2.0","id":8,"method":"tools/list"}]',
        b'{"jsonrpc":"1.0","id":9,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":987,"result":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}',
        b'{"jsonrpc":"2.0","method":"tools/call"}',
    )
    with RawMcp(tmp_path, {}) as client:
        for line in garbage:
            client.send_line(line)
        client.greet()
        for line in garbage:
            client.send_line(line)
        unknown = client.call("tools/burn")
        assert unknown["error"]["code"] == -32601
        assert len(client.list_tools()["result"]["tools"]) == len(NINE)
        client.send_bytes(b'{"jsonrpc":"2.0","id":7,"method":"tools/li')
        client.hang_up()
        assert client.rest() == []
        assert client.ended() == 0
        assert b"Traceback" not in client.stderr()


def test_a_start_imports_nothing_that_only_a_call_needs(tmp_path: Path) -> None:
    served = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "codex_fusion.cli"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        check=True,
        timeout=LIMIT_S,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in served.stderr.splitlines()}
    assert "mcp.server.lowlevel.server" in imported
    assert imported.isdisjoint({"acp", "structlog"})
    ours = {name.partition(".")[2] for name in imported if name.startswith("codex_fusion.")}
    face = {"premises", "reporter", "resource_handlers", "server", "serving", "tool_handlers"}
    assert ours <= face | {"config", "errors", "frames", "progress", "stderr", "stdin", "stdout", "tools"}
