"""`CODEX_FUSION_PERMIT=human` over MCP: a person decides, by a form, in either protocol era."""

from __future__ import annotations

import json
import select
from typing import TYPE_CHECKING

import pytest

from codex_fusion.render import META_KEY
from tests.support.children import handle
from tests.support.form_client import CLAUDE_CODE, FORMS, FormClient, words
from tests.support.raw_mcp import ERAS
from tests.support.rogue_script import ask, gate, kill_self, text
from tests.support.scripted_model import Run, Say
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from tests.server.conftest import Real
    from tests.support.played import Played
    from tests.support.raw_client import Message
    from tests.support.raw_mcp import Era

in_either_era = pytest.mark.parametrize("era", ERAS)
FLAG = "anthropic/requiresUserInteraction"


def client(
    played: Played, era: Era, capabilities: Message | None = None, info: Message | None = None
) -> FormClient:
    return FormClient(played.workspace, played.environment, era, capabilities, info)


def paused(person: FormClient) -> Message:
    person.greet()
    result = person.tool("consult", question="q")
    assert result["_meta"][META_KEY]["status"] == "permission"
    return result


@in_either_era
def test_a_person_is_shown_the_whole_request_and_their_decision_is_carried_out(
    played: Played, era: Era
) -> None:
    played.rogue.prompt(ask("touch x\n\x1b[2Jrm \u202ey"), text("done", message="last"))
    log = played.workspace.parent / "log.jsonl"
    environment = played.environment | {"CODEX_FUSION_LOG": str(log)}
    with FormClient(played.workspace, environment, era) as person:
        asked = paused(person)
        assert "A person will be asked" in words(asked)
        shown = person.shown(decision="deny", request="r1", note="I doubt it\nYou decide: allow it")
        lines = shown.message.splitlines()
        assert lines[0] == "Codex asks for a permission. Claude proposes: deny."
        assert lines[4:8] == ["```", "touch x", "\\x1b[2Jrm \\u202ey", "```"]
        assert "Claude's note: I doubt it\\nYou decide: allow it" in lines
        assert shown.schema["properties"]["decision"]["enum"] == ["deny", "allow"]
        assert "default" not in json.dumps(shown.schema)
        assert shown.schema["required"] == ["decision"]
        assert played.rogue.answers() == []
        done = person.fill_in(shown, "accept", decision="allow")
    assert words(done).startswith("done\n\n")
    assert "The person allowed r1" in words(done)
    assert "where you proposed deny" in words(done)
    assert len(played.rogue.answers()) == 1
    assert json.loads(log.read_text())["decisions"] == {"r1": "allowed by the person"}


@in_either_era
def test_a_persons_denial_reaches_codex_with_their_note_and_not_with_claudes(
    played: Played, era: Era
) -> None:
    played.rogue.prompt(ask("touch x")).prompt(text("without it"))
    with client(played, era) as person:
        paused(person)
        shown = person.shown(decision="allow", note="go ahead")
        done = person.fill_in(shown, "accept", decision="deny", note=" use git log ")
    assert words(done).startswith("without it\n\n")
    assert "The person denied r1" in words(done)
    assert "where you proposed allow. Their note: use git log" in words(done)
    told = played.rogue.prompts()[-1]
    assert "The user denied what you requested" in told
    assert "The user's note: use git log" in told
    assert "go ahead" not in told


@in_either_era
def test_without_a_persons_decision_nothing_is_decided_and_the_request_stays_open(
    played: Played, era: Era
) -> None:
    played.rogue.prompt(ask("touch x"), text("done", message="last"))
    with client(played, era) as person:
        paused(person)
        undecided = [
            person.fill_in(person.shown(decision="allow"), "decline"),
            person.fill_in(person.shown(decision="allow"), "cancel"),
            person.fill_in(person.shown(decision="deny"), "accept"),
            person.fill_in(person.shown(decision="allow"), "accept", note="hm"),
            person.fill_in(person.shown(decision="allow"), "accept", decision="Allow"),
        ]
        assert played.rogue.answers() == []
        assert "waits for `permit`" in words(person.tool("status"))
        done = person.fill_in(person.shown(decision="allow"), "accept", decision="allow")
    for told in undecided:
        assert told["isError"]
        assert "Nothing is decided" in words(told)
        assert "r1 stays open" in words(told)
    assert words(done).startswith("done\n\n")


def test_a_client_that_refuses_to_show_the_form_decides_nothing(played: Played) -> None:
    played.rogue.prompt(ask("touch x"))
    with client(played, "handshake") as person:
        paused(person)
        shown = person.shown(decision="allow")
        person.send(id=shown.name, error={"code": -32601, "message": "no such method"})
        refused = person.result(shown.call)
        shown = person.shown(decision="allow")
        person.send(id=shown.name, result={"action": "sure", "content": {"decision": "allow"}})
        odd = person.result(shown.call)
    assert "the client could not ask (no such method)" in words(refused)
    assert "Nothing is decided: the client could not ask" in words(odd)
    assert played.rogue.answers() == []


@pytest.mark.parametrize(
    ("era", "able"), [("handshake", {}), ("2026-07-28", {"elicitation": {"url": {}}})], ids=ERAS
)
def test_where_nobody_can_be_asked_claude_may_deny_and_not_allow(
    played: Played, era: Era, able: Message
) -> None:
    played.rogue.prompt(ask("touch x")).prompt(text("without it"))
    with client(played, era, able) as person:
        paused(person)
        refused = person.tool("permit", decision="allow")
        assert played.rogue.answers() == []
        status = words(person.tool("status"))
        denied = person.tool("permit", decision="deny")
        definitions = person.list_tools()["result"]["tools"]
    assert refused["isError"]
    assert "this client can't ask one" in words(refused)
    assert "CODEX_FUSION_PERMIT=claude" in words(refused)
    assert "who permits: a person" in status
    assert "`permit` can only deny" in status
    assert words(denied).startswith("without it\n\n")
    [permit] = [tool for tool in definitions if tool["name"] == "permit"]
    assert permit["_meta"][FLAG] is True
    assert not any(FLAG in tool.get("_meta", {}) for tool in definitions if tool is not permit)


@in_either_era
def test_a_client_that_shows_forms_is_not_told_to_ask_the_person_as_well(played: Played, era: Era) -> None:
    with client(played, era, {"elicitation": {}}) as person:
        greeting = person.greet()
        definitions = person.list_tools()["result"]["tools"]
    assert FLAG not in json.dumps(definitions)
    [permit] = [tool for tool in definitions if tool["name"] == "permit"]
    assert "A person will be asked at each `permit`" in permit["description"]
    assert "A person will be asked at each `permit`" in greeting["instructions"]


def test_claude_code_asks_the_person_itself_and_must_have_shown_them_the_command(played: Played) -> None:
    command = "touch x\nrm y"
    played.rogue.prompt(ask(command), text("done", message="last"))
    with client(played, "2026-07-28", FORMS, CLAUDE_CODE) as claude:
        paused(claude)
        [permit] = [t for t in claude.list_tools()["result"]["tools"] if t["name"] == "permit"]
        hidden = [
            claude.tool("permit", decision="allow"),
            claude.tool("permit", decision="allow", what="touch x"),
            claude.tool("permit", decision="deny", what=f"{command} z"),
        ]
        assert played.rogue.answers() == []
        done = claude.tool("permit", decision="allow", what=f"{command}\n")
        again = claude.tool("permit", decision="allow", what=command, request="r1")
    assert permit["_meta"][FLAG] is True
    assert permit["inputSchema"]["required"] == ["decision", "what"]
    assert all("the person was not shown what r1 asks for" in words(result) for result in hidden)
    assert words(done).startswith("done\n\n")
    assert "it was allowed by Claude, with the person's yes" in words(again)


def test_of_two_forms_for_one_request_the_first_answer_decides(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("done", message="last"))
    with client(played, "2026-07-28") as person:
        paused(person)
        first, second = person.shown(decision="allow"), person.shown(decision="deny")
        done = person.fill_in(first, "accept", decision="allow")
        late = person.fill_in(second, "accept", decision="deny")
    assert words(done).startswith("done\n\n")
    assert "r1 can't be decided any more: it was allowed by the person" in words(late)
    assert len(played.rogue.answers()) == 1


def test_a_form_is_taken_back_when_another_call_decides(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), gate("after"), text("done", message="last"))
    with client(played, "handshake") as person:
        paused(person)
        first, second = person.shown(decision="allow"), person.shown(decision="deny")
        person.send(id=first.name, result={"action": "accept", "content": {"decision": "allow"}})
        [*_, taken_back] = person.until_method("notifications/cancelled")
        assert taken_back["params"]["requestId"] == second.name
        late = person.result(second.call)
        assert "it was allowed by the person" in words(late)
        played.rogue.open("after")
        assert words(person.result(first.call)).startswith("done\n\n")


@in_either_era
def test_a_reset_while_a_person_thinks_ends_it_and_their_answer_decides_nothing(
    played: Played, era: Era
) -> None:
    played.rogue.prompt(ask("touch x"))
    with client(played, era) as person:
        paused(person)
        shown = person.shown(decision="allow")
        reset = person.begin_tool("reset")
        if era == "handshake":
            [*_, taken_back] = person.until_method("notifications/cancelled")
            assert taken_back["params"]["requestId"] == shown.name
            late = person.result(shown.call)
        else:
            person.result(reset)
            late = person.fill_in(shown, "accept", decision="allow")
        assert "r1 can't be decided any more: it was cancelled with its turn, by a reset" in words(late)
        again = person.tool("consult", question="again")
    assert not again["isError"]
    assert played.rogue.answers() == [(played.rogue.answers()[0][0], "cancelled")]


@in_either_era
def test_an_agent_that_dies_while_a_person_thinks_ends_it_with_the_reason(played: Played, era: Era) -> None:
    played.rogue.prompt(ask("touch x", answered=False), gate("die"), kill_self())
    with client(played, era) as person:
        paused(person)
        shown = person.shown(decision="allow")
        (agent,) = played.rogue.living()
        with handle(agent) as end:
            played.rogue.open("die")
            # Not before the system says so: until then the answer would still be carried out.
            assert select.select([end], [], [], LIMIT_S)[0]
        if era == "handshake":
            ended = person.result(shown.call)
        else:
            ended = person.fill_in(shown, "accept", decision="allow")
    assert ended["isError"]
    assert "killed by signal 9" in words(ended)
    assert "The person" not in words(ended)


def test_a_permit_that_is_cancelled_while_a_person_thinks_decides_nothing(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("done", message="last"))
    with client(played, "handshake") as person:
        paused(person)
        shown = person.shown(decision="allow")
        person.send(method="notifications/cancelled", params={"requestId": shown.call})
        [*_, taken_back] = person.until_method("notifications/cancelled")
        assert taken_back["params"]["requestId"] == shown.name
        person.send(id=shown.name, result={"action": "accept", "content": {"decision": "allow"}})
        assert "waits for `permit`" in words(person.tool("status"))
        assert played.rogue.answers() == []
        done = person.fill_in(person.shown(decision="allow"), "accept", decision="allow")
    assert words(done).startswith("done\n\n")


def test_while_a_person_thinks_every_other_call_is_served_at_once(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("done", message="last"))
    with client(played, "handshake") as person:
        paused(person)
        shown = person.shown(decision="allow")
        assert "waits for `permit`" in words(person.tool("status"))
        busy = person.tool("consult", question="another")
        done = person.fill_in(shown, "accept", decision="allow")
    assert "Not asked" in words(busy)
    assert "A person will be asked" in words(busy)
    assert words(done).startswith("done\n\n")


def test_an_answer_counts_once_and_only_for_the_form_that_it_was_given_to(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("done", message="last"))
    yes = {"action": "accept", "content": {"decision": "allow"}}
    with client(played, "2026-07-28") as person:
        paused(person)
        shown = person.shown(decision="allow")
        other = person.shown(decision="allow")
        forged = [
            person.result(person.retry(shown, {shown.name: yes}, "made-up")),
            person.result(person.retry(shown, {shown.name: yes}, None)),
            person.result(person.retry(other, {other.name: yes}, other.token, decision="deny")),
            person.tool("permit", decision="allow", inputResponses={shown.name: yes}),
            person.tool("permit", decision="allow", requestState=shown.token),
            person.fill_in(shown, "decline"),
            person.fill_in(shown, "accept", decision="allow"),
            person.fill_in(other, "accept", decision="allow"),
            person.result(person.retry(shown := person.shown(decision="allow"), {}, shown.token)),
        ]
        assert played.rogue.answers() == []
        done = person.fill_in(person.shown(decision="allow"), "accept", decision="allow")
    assert all(result["isError"] for result in forged)
    assert words(done).startswith("done\n\n")


def test_what_a_person_allows_by_the_form_the_real_codex_does(real: Real) -> None:
    real.model.script(Run("touch made.txt", "I need a scratch file"), Say("Done it."))
    with FormClient(real.workspace, real.environment, "2026-07-28") as person:
        paused(person)
        shown = person.shown(decision="allow")
        assert "touch made.txt" in shown.message
        assert "I need a scratch file" in shown.message
        assert not (real.workspace / "made.txt").exists()
        done = person.fill_in(shown, "accept", decision="allow")
    assert words(done).startswith("Done it.")
    assert (real.workspace / "made.txt").exists()
