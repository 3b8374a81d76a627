"""The plugin in the real Claude Code, with the real codex-acp behind it. Both models are scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.client.conftest import ALLOWED, use
from tests.support import processes
from tests.support.scripted_claude import Say as ClaudeSays
from tests.support.scripted_model import Gate, Run, Say
from tests.support.terminal import ESCAPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.conftest import Desk, Installation
    from tests.support.claude import Claude

CONSENSUS = "Agreed.\n\nVERDICT: CONSENSUS — share the key"


def test_the_plugin_is_installed_on_an_empty_home_and_its_server_starts(installation: Installation) -> None:
    [server] = [line for line in installation.listed.splitlines() if line.startswith("plugin:fusion:codex")]
    assert server.endswith("✔ Connected")


def test_claude_consults_permits_and_starts_fresh_after_a_clear(desk: Desk) -> None:
    desk.model.script(Run("touch made.txt", "I need a scratch file"), Say(CONSENSUS), Say("A fresh answer."))
    desk.api.script(
        use("consult", question="the first question"), use("permit", decision="allow"), ClaudeSays("I heard him.")
    )
    desk.api.script(use("consult", question="the second question"), ClaudeSays("I heard him again."))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        terminal.shows("I heard him.")
        paused, answered = desk.api.results()
        assert paused.startswith("🔐 Codex paused")
        assert "touch made.txt" in paused
        assert answered.startswith(CONSENSUS)
        assert (desk.workspace / "made.txt").exists()

        terminal.submit("/clear")
        terminal.shows("you: /clear")
        terminal.submit("Ask him something else.")
        terminal.shows("I heard him again.")
        [fresh] = desk.api.results()
        assert fresh.startswith("A fresh answer.")
        assert "new session" in fresh
        history = json.dumps(desk.model.requests[-1]["input"])
        assert "the second question" in history
        assert "the first question" not in history

        terminal.submit("/exit")
        assert terminal.exit_code() == 0
    processes.until(desk.folder, lambda left: not left)


def test_the_asking_tools_can_be_called_in_plan_mode(desk: Desk) -> None:
    asked = (
        use("consult", question="q"),
        use("reply", message="m"),
        use("review_plan", plan="p"),
        use("review_diff"),
        use("brainstorm", problem="b"),
        use("explore"),
    )
    desk.model.script(*(Say(f"Answer {number}.") for number in range(len(asked))))
    desk.api.script(*asked, ClaudeSays("Done."))
    desk.claude.print("Plan it.", "--permission-mode", "plan", *ALLOWED)
    assert [result.partition("\n")[0] for result in desk.api.results()] == [f"Answer {n}." for n in range(len(asked))]


def test_reviews_called_at_once_are_all_answered(desk: Desk) -> None:
    desk.model.script(Say("Answer 0."), Say("Answer 1."), Say("Answer 2."))
    desk.api.script(
        (use("review_plan", plan="p"), use("review_diff"), use("consult", question="q")), ClaudeSays("Done.")
    )
    desk.claude.print("Ask him all.", *ALLOWED)
    assert sorted(result.partition("\n")[0] for result in desk.api.results()) == ["Answer 0.", "Answer 1.", "Answer 2."]
    calls = [line for line in desk.mcp_log.splitlines() if "Calling MCP tool" in line or "completed" in line]
    assert all("Calling" in line for line in calls[:3]), "\n".join(calls)


def test_escape_ends_what_codex_runs_and_leaves_him_usable(desk: Desk) -> None:
    desk.model.script(Run("sleep 86399"), Say("He goes on."))
    desk.api.script(use("consult", question="q"))
    desk.api.script(use("consult", question="again"), ClaudeSays("I heard him."))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        processes.until(desk.folder, lambda found: "sleep 86399" in found.values())
        terminal.press(ESCAPE)
        terminal.shows("Interrupted")
        processes.until(desk.folder, lambda found: not any("sleep 86399" in command for command in found.values()))
        terminal.submit("Ask him again.")
        terminal.shows("I heard him.")
    assert "He goes on." in desk.api.results()[-1]


def test_a_terminal_that_is_closed_in_mid_turn_leaves_nothing_behind(desk: Desk) -> None:
    desk.model.script(Run("sleep 86399"))
    desk.api.script(use("consult", question="q"))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        processes.until(desk.folder, lambda found: "sleep 86399" in found.values())
        terminal.hang_up()
        terminal.exit_code()
    processes.until(desk.folder, lambda left: not left)


def test_an_answer_of_300_000_characters_arrives_whole(desk: Desk) -> None:
    answer = "\n\n".join(f"{number:06} " + "x" * 991 for number in range(300)) + "\nThe end."
    desk.model.script(Say(answer))
    desk.api.script(use("consult", question="q"), ClaudeSays("Done."))
    desk.claude.print("Ask Codex.", *ALLOWED)
    [result] = desk.api.results()
    assert result.startswith(answer)
