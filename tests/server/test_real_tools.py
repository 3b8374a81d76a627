"""Each tool against the real codex-acp; only the model is a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from codex_fusion.archive import Archive
from codex_fusion.install import CODEX_ACP_VERSION, CODEX_VERSION
from tests.server.conftest import git
from tests.support.scripted_model import Fail, Patch, Run, Say, Think

if TYPE_CHECKING:
    from tests.server.conftest import Real

pytestmark = pytest.mark.anyio

OPEN = "Retry is fine. VERDICT follows.\n\nVERDICT: OPEN — is the key shared?"
CONSENSUS = "Agreed.\n\nVERDICT: CONSENSUS — share the key"


async def test_a_consult_brings_the_answer_and_one_footer_line(real: Real) -> None:
    real.model.script((Think("a hard one"), Say("I will look at the file."), Run("cat a.txt")), Say(OPEN))
    async with real.serving() as bench:
        result = await bench.call("consult", question="/status is it safe?")
    assert not result.is_error
    answer, _, footer = result.text.rpartition("\n\n")
    assert answer == OPEN
    assert footer.startswith("— Codex · ")
    assert " · 2,100 tokens · context 0% full · round 1 · new session · " in footer
    assert footer.endswith("OPEN: push back with `reply` (round 2), or concede")
    assert result.meta["status"] == "answered"
    assert result.meta["verdict"] == {"state": "open", "point": "is the key shared?"}
    assert result.meta["session"]["new"] is True
    assert result.meta["usage"]["total"] == 2100
    assert result.meta["stop_reason"] == "end_turn"


async def test_text_reasoning_and_activity_are_streamed_with_a_rising_counter(real: Real) -> None:
    real.model.script((Think("a hard one"), Say("I will look."), Run("cat a.txt")), Say(OPEN))
    async with real.serving() as bench:
        result = await bench.call("consult", question="q")
    told = "\n".join(result.progress)
    assert "↳ starting the agent" in told
    assert "↳ Read file" in told
    assert "VERDICT: OPEN" in result.progress[-1]
    assert result.counters == sorted(set(result.counters))


@pytest.mark.parametrize(
    ("tool", "arguments", "heard"),
    [
        ("consult", {"question": "QQ", "context": "CC"}, ["QQ", "CC"]),
        ("review_plan", {"plan": "PP", "context": "CC"}, ["PP", "CC"]),
        ("review_diff", {"diff": "+ a line", "instructions": "II"}, ["+ a line", "II"]),
        ("review_diff", {}, ["git status --porcelain"]),
        ("review_diff", {"commit": "HEAD", "paths": ["a.txt"]}, ["git show", "a.txt"]),
        ("brainstorm", {"problem": "BB", "constraints": "CC"}, ["BB", "CC"]),
        ("explore", {"focus": "FF", "paths": ["src"]}, ["FF", "src"]),
    ],
)
async def test_each_asking_tool_sends_its_own_prompt_and_returns_the_answer(
    real: Real, tool: str, arguments: dict[str, object], heard: list[str]
) -> None:
    real.model.script(Say(CONSENSUS))
    async with real.serving() as bench:
        result = await bench.call(tool, **arguments)
    assert result.text.startswith(CONSENSUS), result.text
    sent = str(real.model.requests[0]["input"][-1])
    assert all(words in sent for words in heard), sent
    assert result.meta["session"]["round"] == (None if tool == "explore" else 1)
    assert (result.meta["verdict"] is None) == (tool == "explore")


async def test_review_diff_since_a_base_names_the_merge_base(real: Real) -> None:
    base = git(real.workspace, "rev-parse", "HEAD")
    git(real.workspace, "checkout", "-qb", "feature")
    real.model.script(Say(CONSENSUS))
    async with real.serving() as bench:
        await bench.call("review_diff", base="main")
        unknown = await bench.call("review_diff", base="--output=/tmp/x")
    assert base in str(real.model.requests[0]["input"][-1])
    assert unknown.is_error
    assert "names no commit" in unknown.text


async def test_a_reply_is_the_next_round_and_has_the_first_in_its_history(real: Real) -> None:
    real.model.script(Say(OPEN), Say(CONSENSUS))
    async with real.serving() as bench:
        await bench.call("consult", question="the first question")
        second = await bench.call("reply", message="it is shared")
    assert second.meta["session"] == {"id": second.meta["session"]["id"], "new": False, "round": 2}
    assert "round 2 · CONSENSUS" in second.text
    assert "new session" not in second.text
    history = str(real.model.requests[-1]["input"])
    assert "the first question" in history
    assert "is the key shared?" in history


async def test_a_reply_without_a_debate_spends_no_turn(real: Real) -> None:
    real.model.script(Say("An overview."))
    async with real.serving() as bench:
        first = await bench.call("reply", message="and?")
        await bench.call("explore")
        second = await bench.call("reply", message="and?")
    assert first.is_error
    assert "no debate to continue" in first.text
    assert "only explored" in second.text
    assert len(real.model.requests) == 1


async def test_a_reset_drops_the_context(real: Real) -> None:
    real.model.script(Say(OPEN), Say(OPEN))
    async with real.serving() as bench:
        first = await bench.call("consult", question="the first question")
        said = await bench.call("reset")
        refused = await bench.call("reply", message="and?")
        second = await bench.call("consult", question="another")
    assert "dropped (1 turn)" in said.text
    assert "dropped by a reset" in refused.text
    assert second.meta["session"]["new"] is True
    assert second.meta["session"]["id"] != first.meta["session"]["id"]
    assert "the first question" not in str(real.model.requests[-1]["input"])


async def test_status_starts_nothing_and_then_tells_what_is(real: Real) -> None:
    real.model.script(Say(OPEN))
    async with real.serving() as bench:
        before = await bench.call("status")
        await bench.call("consult", question="q")
        after = await bench.call("status")
    assert "no session" in before.text
    assert str(real.workspace) in before.text
    versions = f"codex-acp {CODEX_ACP_VERSION}, Codex {CODEX_VERSION}, model gpt-5.5, medium effort)"
    assert re.search(rf"^agent: running \(\S*{re.escape(versions)}$", after.text, re.MULTILINE), after.text
    assert re.search(
        r"^session: \S+, \d+ s old, 1 turn, debate in round 1, context 0% full$", after.text, re.MULTILINE
    )


async def test_an_escalation_pauses_and_allow_resumes_the_same_turn(real: Real) -> None:
    real.model.script(Run("touch made.txt", "I need a scratch file"), Say(CONSENSUS))
    async with real.serving() as bench:
        paused = await bench.call("consult", question="q")
        assert not (real.workspace / "made.txt").exists()
        answered = await bench.call("permit", decision="allow")
    assert paused.status == "permission"
    assert not paused.is_error
    assert paused.text.startswith("🔐 Codex paused")
    assert "touch made.txt" in paused.text
    assert f"folder: {real.workspace}" in paused.text
    assert "I need a scratch file" in paused.text
    assert answered.text.startswith(CONSENSUS)
    assert answered.meta["turn"] == paused.meta["turn"]
    assert (real.workspace / "made.txt").exists()


async def test_a_denial_reaches_codex_with_the_note_and_claude_gets_an_answer(real: Real) -> None:
    real.model.script(Run("touch made.txt", "please"), Say(CONSENSUS))
    async with real.serving() as bench:
        await bench.call("consult", question="q")
        answered = await bench.call("permit", decision="deny", note="look at the log instead")
    assert answered.status == "answered"
    assert answered.text.startswith(CONSENSUS)
    assert "look at the log instead" in str(real.model.requests[-1]["input"][-1])
    assert not (real.workspace / "made.txt").exists()


async def test_a_file_change_is_shown_with_its_diff(real: Real) -> None:
    patch = "*** Begin Patch\n*** Add File: new.txt\n+hello there\n*** End Patch"
    real.model.script(Patch(patch), Say(CONSENSUS))
    async with real.serving() as bench:
        paused = await bench.call("consult", question="q")
        assert paused.status == "permission", paused.text
        assert "+hello there" in paused.text
        await bench.call("permit", decision="deny")
    assert not (real.workspace / "new.txt").exists()


async def test_two_requests_at_once_are_listed_and_each_is_decided(real: Real) -> None:
    real.model.script((Run("touch one", "first"), Run("touch two", "second")), Say(CONSENSUS))
    async with real.serving() as bench:
        paused = await bench.call("consult", question="q")
        assert len(paused.requests) == 2
        unclear = await bench.call("permit", decision="allow")
        assert unclear.is_error
        assert all(name in unclear.text for name in paused.requests)
        one, two = paused.requests
        still = await bench.call("permit", decision="allow", request=one)
        assert still.requests == [two]
        again = await bench.call("permit", decision="allow", request=one)
        assert again.is_error
        assert "allowed by Claude" in again.text
        answered = await bench.call("permit", decision="allow", request=two)
    assert answered.status == "answered"
    assert (real.workspace / "one").exists()
    assert (real.workspace / "two").exists()


async def test_denying_one_of_two_withdraws_the_other(real: Real) -> None:
    real.model.script((Run("touch one", "first"), Run("touch two", "second")), Say(CONSENSUS))
    async with real.serving() as bench:
        paused = await bench.call("consult", question="q")
        one, two = paused.requests
        answered = await bench.call("permit", decision="deny", request=one)
        late = await bench.call("permit", decision="allow", request=two)
    assert answered.status == "answered"
    assert late.is_error
    assert "withdrawn" in late.text
    assert "touch two" in str(real.model.requests[-1]["input"][-1])
    assert not (real.workspace / "two").exists()


async def test_a_call_made_while_codex_waits_returns_the_open_request(real: Real) -> None:
    real.model.script(Run("touch one", "first"), Say(CONSENSUS))
    async with real.serving() as bench:
        paused = await bench.call("consult", question="q")
        busy = await bench.call("consult", question="another")
        answered = await bench.call("permit", decision="allow")
    assert busy.is_error
    assert busy.status == "busy"
    assert busy.requests == paused.requests
    assert "touch one" in busy.text
    assert answered.status == "answered"


@pytest.mark.parametrize(
    ("status", "words"), [(429, "limit"), (500, "service"), (400, "scripted failure"), (401, "codex login")]
)
async def test_a_failure_of_the_model_is_an_error_and_no_opinion(real: Real, status: int, words: str) -> None:
    real.model.script(*[Fail(status)] * 12)
    async with real.serving(CODEX_CONFIG=real.config(request_max_retries=0, stream_max_retries=1)) as bench:
        result = await bench.call("consult", question="q")
    assert result.is_error
    assert result.status == "failed"
    assert words in result.text


async def test_a_debate_is_kept_round_by_round(real: Real) -> None:
    real.model.script(Run("touch made", "please"), Say(OPEN), Say(CONSENSUS))
    async with real.serving() as bench:
        await bench.call("consult", question="the first question")
        await bench.call("permit", decision="allow")
        await bench.call("reply", message="it is shared")
        _, _, debate = (await bench.client.list_resources()).resources
        (resource,) = (await bench.client.read_resource(debate.uri)).contents
    archive = Archive({"XDG_STATE_HOME": real.environment["XDG_STATE_HOME"]})
    (name,) = archive.ids()
    kept = archive.read(name)
    assert kept is not None
    assert [(r.asked, r.verdict) for r in kept.rounds] == [
        ("the first question", "open"),
        ("it is shared", "consensus"),
    ]
    assert kept.rounds[0].decided[0].fate == "allowed by Claude"
    assert "touch made" in kept.rounds[0].decided[0].what
    assert "codex-acp" in kept.agent
    assert "strict" in kept.confinement
    told = str(getattr(resource, "text"))  # noqa: B009 it could be a blob
    assert re.search(r"^- r1: run `.*touch made.* — allowed by Claude$", told, re.MULTILINE)
    for words in ("How Codex was held: strict", "the first question", "it is shared", "Verdict: CONSENSUS"):
        assert words in told
