"""`/clear` in Claude Code: the real hook, run as a process, and what the server's next call makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.rogue_script import ask, text
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from tests.support.played import Played

pytestmark = pytest.mark.anyio

HOOK = Path(__file__).parents[2] / "hooks" / "session_reset.py"


def claude_begins(played: Played, source: str, session: str = "s", *, cwd: Path | None = None) -> None:
    """Claude Code begins a conversation in this folder (default: the workspace), and runs its hook."""
    folder = cwd or played.workspace
    event = {"session_id": session, "cwd": str(folder), "hook_event_name": "SessionStart", "source": source}
    done = subprocess.run(
        (sys.executable, str(HOOK)),
        input=json.dumps(event).encode(),
        env=played.environment,
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=LIMIT_S,
    )
    assert done.stdout == b""
    assert done.stderr == b""


async def test_after_a_clear_the_next_consult_starts_fresh_and_no_other_source_does_that(
    played: Played,
) -> None:
    async with played.serving() as bench:
        first = await bench.call("consult", question="q")
        for source in ("startup", "resume", "compact", "fork"):
            claude_begins(played, source, f"by {source}")
            kept = await bench.call("reply", message="but")
            assert kept.meta["session"]["new"] is False
        claude_begins(played, "clear", "cleared")
        refused = await bench.call("reply", message="but")
        fresh = await bench.call("consult", question="q")
        after = await bench.call("consult", question="q")
    assert "dropped by the client's /clear" in refused.text
    assert fresh.meta["session"]["new"] is True
    assert fresh.meta["session"]["id"] != first.meta["session"]["id"]
    assert after.meta["session"]["id"] == fresh.meta["session"]["id"]
    assert played.rogue.starts == 1


async def test_a_clear_while_codex_waits_for_a_permit_ends_that_turn(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text("never said")).prompt(text("fresh"))
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        claude_begins(played, "clear")
        permit = await bench.call("permit", decision="allow")
        fresh = await bench.call("consult", question="q")
    assert permit.is_error
    assert "/clear" in permit.text
    assert [answer for _, answer in played.rogue.answers()] == ["cancelled"]
    assert fresh.text.startswith("fresh\n\n")
    assert fresh.meta["session"]["new"] is True


async def test_a_clear_from_a_folder_below_the_repository_or_through_a_link_is_for_it_too(
    played: Played,
) -> None:
    (played.workspace / ".git").mkdir()
    below = played.workspace / "src" / "deep"
    below.mkdir(parents=True)
    link = played.workspace.parent / "link"
    link.symlink_to(played.workspace)
    elsewhere = played.workspace.parent / "elsewhere"
    elsewhere.mkdir()
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        fresh = []
        for folder in (elsewhere, below, link):
            claude_begins(played, "clear", f"in {folder.name}", cwd=folder)
            fresh.append((await bench.call("consult", question="q")).meta["session"]["new"])
    assert fresh == [False, True, True]


async def test_a_clear_before_the_first_call_drops_nothing(played: Played) -> None:
    claude_begins(played, "clear", "long ago")
    async with played.serving() as bench:
        await bench.call("consult", question="q")
        status = await bench.call("status")
        reply = await bench.call("reply", message="but")
    assert "0 resets" in status.text
    assert reply.meta["session"]["round"] == 2
