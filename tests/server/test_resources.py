"""Resources, prompts and long answers, as a client of either era gets them. Codex is the rogue agent."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import MCPError
from mcp.types import PromptReference, ResourceTemplateReference

from codex_fusion import resources
from codex_fusion.long_answers import RESULT_LIMIT
from codex_fusion.mcp_prompts import PROMPTS
from tests.support.bench import Bench, serving
from tests.support.played import Background
from tests.support.raw_mcp import RawMcp
from tests.support.rogue_script import ask, exit_, gate, sleep_until_cancel, text
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.client.client import ConnectMode

    from tests.support.played import Played

pytestmark = pytest.mark.anyio

MODES: tuple[ConnectMode, ...] = ("legacy", "2026-07-28")
ANSWER = "Fine.\n\nVERDICT: CONSENSUS — fine"
LONG = "\n\n".join(f"{number:06} " + "word " * 198 for number in range(550))
NOT_FOUND = {"legacy": -32002, "2026-07-28": -32602}


async def read(bench: Bench, uri: str) -> str:
    with anyio.fail_after(LIMIT_S):
        (contents,) = (await bench.client.read_resource(uri)).contents
    assert contents.uri == uri
    assert contents.mime_type == "text/markdown"
    return str(getattr(contents, "text"))  # noqa: B009 it could be a blob


async def listed(bench: Bench) -> dict[str, Any]:
    with anyio.fail_after(LIMIT_S):
        found = (await bench.client.list_resources()).resources
    return {resource.uri: resource for resource in found}


async def refused(bench: Bench, uri: str) -> MCPError:
    with pytest.raises(MCPError) as raised:
        await read(bench, uri)
    return raised.value


@pytest.mark.parametrize("mode", MODES)
async def test_a_debate_is_listed_and_read_with_its_permission_and_who_decided(
    played: Played, mode: ConnectMode
) -> None:
    played.rogue.prompt(ask("touch made.txt"), text("No.\n\nVERDICT: OPEN — the key"))
    async with played.serving(mode) as bench:
        assert list(await listed(bench)) == ["fusion://debates", "fusion://status"]
        assert "There is none." in await read(bench, "fusion://debates")
        await bench.call("consult", question="Is it safe to retry?")
        await bench.call("permit", decision="allow")
        await bench.call("reply", message="It is.")
        (debate,) = list((await listed(bench)).values())[2:]
        assert "2 rounds" in debate.description
        assert debate.title == "Is it safe to retry?"
        assert f"- `{debate.uri}` " in await read(bench, "fusion://debates")
        told = await read(bench, debate.uri)
        assert (await read(bench, f"{debate.uri}/1")).startswith(told)
        assert await read(bench, "fusion://status") == (await bench.call("status")).text
    for words in (
        "### Claude asked\n\nIs it safe to retry?",
        "### Codex answered\n\nNo.",
        "## Round 2: reply",
    ):
        assert words in told
    (permission,) = re.findall(r"^- r1: run `touch made.txt` .*— (.+)$", told, re.MULTILINE)
    assert permission.startswith("allowed")
    assert "**Verdict: OPEN** — the key" in told


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_not_there_is_the_protocols_error_and_says_what_is(
    played: Played, mode: ConnectMode
) -> None:
    async with played.serving(mode) as bench:
        for uri in ("fusion://debate", "file:///etc/passwd", "fusion://debates/20260101-000000-abcdef"):
            error = await refused(bench, uri)
            assert error.code == NOT_FOUND[mode]
            assert error.data == {"uri": uri}
            assert "fusion://debates (the list)" in error.message
        assert "agent: no session" in await read(bench, "fusion://status")
        assert "There is none." in await read(bench, "fusion://debates")
        templates = (await bench.client.list_resource_templates()).resource_templates
        assert [t.uri_template for t in templates] == [t.uri_template for t in resources.TEMPLATES]
    assert played.rogue.starts == 0  # and no agent was needed


async def test_a_server_of_another_workspace_does_not_show_it(played: Played) -> None:
    played.rogue.prompt(text(ANSWER))
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        uri = list(await listed(bench))[2]
    another = played.workspace.parent / "another"
    another.mkdir()
    async with serving(another, played.environment) as bench:
        assert uri not in await listed(bench)
        assert uri not in await read(bench, "fusion://debates")
        assert "no resource" in (await refused(bench, uri)).message
    async with played.serving() as bench:
        assert "### Codex answered\n\nFine." in await read(bench, uri)


async def test_the_latest_debates_are_listed_and_all_of_them_are_in_the_list(played: Played) -> None:
    async with played.serving() as bench:
        for number in range(resources.RECENT + 1):
            await bench.call("explore", focus=f"part {number}")
        found = await listed(bench)
        assert len(found) == 2 + resources.RECENT
        assert (await read(bench, "fusion://debates")).count("`fusion://debates/") == resources.RECENT + 1
        template = ResourceTemplateReference(uri="fusion://debates/{id}")
        newest = list(found)[2].rpartition("/")[2]
        for ref, begun, values in (
            (template, {"name": "id", "value": newest}, [newest]),
            (template, {"name": "id", "value": "none"}, []),
            (template, {"name": "page", "value": ""}, []),
            (PromptReference(name="ask"), {"name": "question", "value": ""}, []),
        ):
            completed = (await bench.client.complete(ref, begun)).completion
            assert (completed.values, completed.total) == (values, len(values))


@pytest.mark.parametrize("mode", MODES)
async def test_a_wrong_configuration_is_what_each_resource_says(tmp_path: Path, mode: ConnectMode) -> None:
    wrong = {"CODEX_FUSION_HISTORY": "maybe"}
    async with serving(tmp_path, wrong, mode=mode, log=tmp_path / "server.log") as bench:
        assert list(await listed(bench)) == ["fusion://debates", "fusion://status"]
        for uri in ("fusion://debates", "fusion://status", "fusion://debates/20260101-000000-abcdef"):
            assert "CODEX_FUSION_HISTORY='maybe'" in await read(bench, uri)
        assert (await refused(bench, "fusion://x")).code == NOT_FOUND[mode]
        completed = await bench.client.complete(
            ResourceTemplateReference(uri="fusion://debates/{id}"), {"name": "id", "value": ""}
        )
        assert completed.completion.values == []


async def test_a_list_is_read_while_codex_works(played: Played) -> None:
    played.rogue.prompt(text("I begin"), gate("on"), text(ANSWER, message="last"))
    async with played.serving() as bench, anyio.create_task_group() as tasks:
        call = await Background(tasks, bench, "consult", question="q").seen("I begin")
        assert "There is none." in await read(bench, "fusion://debates")
        assert "is running" in await read(bench, "fusion://status")
        played.rogue.open("on")
        await call.result()


@pytest.mark.parametrize("mode", MODES)
async def test_the_prompts_are_those_of_the_plugin(played: Played, mode: ConnectMode) -> None:
    async with played.serving(mode) as bench:
        found = (await bench.client.list_prompts()).prompts
        assert [prompt.name for prompt in found] == [prompt.name for prompt in PROMPTS]
        assert {p.name: [(a.name, a.required) for a in p.arguments or ()] for p in found} == {
            "ask": [("question", True)],
            "plan": [("plan", False)],
            "review": [("base", False)],
            "status": [],
        }
        (message,) = (await bench.client.get_prompt("review", {"base": "since main"})).messages
        assert message.role == "user"
        assert "The user adds: since main\n" in str(getattr(message.content, "text"))  # noqa: B009
        none: dict[str, str] = {}
        for name, arguments, words in (
            ("burn", none, "The prompts are: ask, plan, review, status."),
            ("ask", none, "`question` is missing"),
        ):
            with pytest.raises(MCPError, match=words) as raised:
                await bench.client.get_prompt(name, arguments)
            assert raised.value.code == -32602


@pytest.mark.parametrize(("plugin", "offered"), [("ours", False), ("another", True)])
def test_the_prompts_are_left_out_beside_the_plugins_commands(
    tmp_path: Path, plugin: str, *, offered: bool
) -> None:
    (tmp_path / "ours" / ".claude-plugin" / "commands").mkdir(parents=True)
    with RawMcp(tmp_path, {"CLAUDE_PLUGIN_ROOT": str(tmp_path / plugin)}) as client:
        assert ("prompts" in client.greet()["capabilities"]) is offered
        assert ("result" in client.call("prompts/list")) is offered


class Cut:
    """A result that was cut: its parts, and the rest as a client follows the pointer."""

    def __init__(self, told: str) -> None:
        self.head, self.told, tail = told.partition("\n\n✂️ Cut here: ")
        assert self.told, told[-500:]
        self.pointer, *self.after = tail.split("\n\n")
        pointers = re.findall(r"`(fusion://debates/[\w-]+)(?:/(\d+))?`", self.pointer)
        (self.uri, first), (_, last), _ = pointers
        self.pages = range(int(first), int(last) + 1)

    async def rest(self, bench: Bench) -> str:
        pages = [await read(bench, f"{self.uri}/{number}") for number in self.pages]
        return "".join(page.rpartition("\n\n(Page ")[0] for page in pages)


@pytest.mark.parametrize(
    ("mode", "history"), [("legacy", "on"), ("2026-07-28", "on"), ("auto", "off"), ("auto", "unwritable")]
)
async def test_an_answer_beyond_a_result_is_cut_and_all_of_it_can_be_read_at_once(
    played: Played, mode: ConnectMode, history: str
) -> None:
    state = played.workspace.parent / "home" / "state"
    if history == "unwritable":
        state.write_text("a file where the folder should be")
    played.rogue.prompt(text(f"{LONG}\n\nVERDICT: OPEN — the key"))
    async with played.serving(mode, CODEX_FUSION_HISTORY="off" if history == "off" else "on") as bench:
        result = await bench.call("consult", question="q")
        cut = Cut(result.text)
        assert cut.uri in await read(bench, "fusion://debates")
        whole, rest = await read(bench, cut.uri), await cut.rest(bench)
    assert RESULT_LIMIT - 5_000 < len(result.text) <= RESULT_LIMIT
    assert LONG.startswith(cut.head + "\n\n")
    assert cut.after[0] == "VERDICT: OPEN — the key"
    assert cut.after[1].startswith("— Codex · ")
    assert result.meta["verdict"] == {"state": "open", "point": "the key"}
    assert f"### Codex answered\n\n{LONG}\n\nVERDICT: OPEN" in whole
    assert LONG[len(cut.head) :] in rest
    assert LONG[:500] not in rest
    kept = list(state.rglob("debates/*.json")) if state.is_dir() else []
    assert len(kept) == (history == "on")


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
async def test_what_was_written_before_a_turn_failed_is_cut_and_can_be_read_too(
    played: Played, ending: str
) -> None:
    played.rogue.prompt(text(LONG), sleep_until_cancel() if ending == "cancelled" else exit_(3))
    async with played.serving(CODEX_FUSION_HISTORY="off") as bench, anyio.create_task_group() as tasks:
        call = await Background(tasks, bench, "consult", question="q").seen(LONG[-20:].strip())
        if ending == "cancelled":
            await bench.call("reset")
        result = await call.result()
        cut = Cut(result.text)
        rest = await cut.rest(bench)
    assert (result.is_error, result.status) == (True, ending)
    assert result.text.startswith("✗ ")
    assert len(result.text) <= RESULT_LIMIT
    written = cut.head.partition("What Codex wrote until then:\n\n")[2]
    assert LONG.startswith(written)
    assert LONG[len(written) :].strip() in rest
    assert cut.after[-1].startswith("— Codex · ")


async def test_what_nobody_waited_for_is_cut_in_its_notice_and_can_be_read(played: Played) -> None:
    played.rogue.prompt(text(LONG), ask("touch made.txt")).prompt(text(ANSWER))
    async with played.serving(CODEX_FUSION_HISTORY="off") as bench:
        assert (await bench.call("consult", question="q")).status == "permission"
        played.rogue.order(exit_(3))
        with anyio.fail_after(LIMIT_S):
            while "agent: not running" not in await read(bench, "fusion://status"):
                await anyio.lowlevel.checkpoint()
        result = await bench.call("consult", question="q")
        (uri,) = re.findall(r"`(fusion://debates/.+?)`", await read(bench, "fusion://debates"))
        assert LONG.rstrip() in await read(bench, uri)
    assert result.text.startswith(ANSWER)
    assert "ended while nobody waited for it" in result.text
    assert "✂️ Cut here" in result.text
    assert len(result.text) < 60_000


def test_the_size_that_tools_declare_is_the_one_that_results_keep_to(tmp_path: Path) -> None:
    with RawMcp(tmp_path, {}) as client:
        client.greet()
        declared = {
            t.get("_meta", {}).get("anthropic/maxResultSizeChars")
            for t in client.list_tools()["result"]["tools"]
        }
    assert declared == {None, RESULT_LIMIT}


def test_listing_resources_imports_nothing_of_an_agent(tmp_path: Path) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "codex_fusion.cli")
    with RawMcp(tmp_path, {"HOME": str(tmp_path)}, command=command) as client:
        client.greet()
        assert len(client.call("resources/list")["result"]["resources"]) == 2
        client.hang_up()
        assert client.rest() == []
        imported = {line.rpartition("|")[2].strip() for line in client.stderr().decode().splitlines()}
    assert "codex_fusion.library" in imported
    assert imported.isdisjoint({"acp", "structlog", "codex_fusion.agent", "codex_fusion.workplace"})
