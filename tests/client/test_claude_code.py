"""The plugin in the real Claude Code, with the real codex-acp behind it. Both models are scripts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.client.conftest import ALLOWED, TOOLS, use
from tests.support import processes
from tests.support.scripted_claude import Tell, Use
from tests.support.scripted_model import Run, Say
from tests.support.terminal import CONTROL_C, ESCAPE

if TYPE_CHECKING:
    from tests.client.conftest import Desk

CONSENSUS = "Agreed.\n\nVERDICT: CONSENSUS — share the key"
LONG = "sleep 86399"
SERVER = "plugin:fusion:codex"
"""As Claude Code calls the plugin's server."""


def first_lines(results: list[str]) -> list[str]:
    return [result.partition("\n")[0] for result in results]


def test_claude_consults_permits_and_starts_fresh_after_a_clear(desk: Desk) -> None:
    desk.model.script(Run("touch made.txt", "I need a scratch file"), Say(CONSENSUS), Say("A fresh answer."))
    first, second = (
        use("consult", question="the first question"),
        use("consult", question="the second question"),
    )
    desk.api.script(first, use("permit", decision="allow"), Tell("I heard him."), second, Tell("And again."))
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
        terminal.shows("And again.")
        [fresh] = desk.api.results()
        assert fresh.startswith("A fresh answer.")
        assert "new session" in fresh
        history = json.dumps(desk.model.requests[-1]["input"])
        assert "the second question" in history
        assert "the first question" not in history

        terminal.submit("/exit")
        assert terminal.exit_code() == 0
    processes.until(desk.folder, lambda left: not left)


def test_a_person_is_asked_before_claude_permits_and_may_say_no(desk: Desk) -> None:
    desk.model.script(Run("touch made.txt", "I need a scratch file"))
    desk.api.script(use("consult", question="q"), use("permit", decision="allow"))
    with desk.claude.terminal(
        "--permission-mode", "default", "--allowedTools", f"{TOOLS}__consult"
    ) as terminal:
        terminal.submit("Ask Codex.")
        terminal.shows("Do you want to proceed?")
        assert 'decision: "allow"' in terminal.text
        terminal.press(ESCAPE)
        terminal.shows("Interrupted")
    assert not (desk.workspace / "made.txt").exists()


def test_a_command_of_the_plugin_needs_no_permission_to_ask(desk: Desk) -> None:
    desk.model.script(Say(CONSENSUS))
    desk.api.script(use("review_diff"), Tell("Done."))
    desk.claude.print("/fusion:review look for races")
    [result] = desk.api.results()
    assert result.startswith(CONSENSUS)
    assert "The user adds: look for races" in json.dumps(desk.api.requests[0]["messages"])


def test_the_asking_tools_can_be_called_in_plan_mode(desk: Desk) -> None:
    asked = (
        use("consult", question="q"),
        use("reply", message="m"),
        use("review_plan", plan="p"),
        use("review_diff"),
        use("brainstorm", problem="b"),
        use("explore"),
    )
    answers = [f"Answer {number}." for number in range(len(asked))]
    desk.model.script(*map(Say, answers))
    desk.api.script(*asked, Tell("Done."))
    desk.claude.print("Plan it.", "--permission-mode", "plan", *ALLOWED)
    assert first_lines(desk.api.results()) == answers


def test_reviews_called_at_once_run_side_by_side_and_are_all_answered(desk: Desk) -> None:
    reviews = use("review_plan", plan="p"), use("review_diff"), use("consult", question="q")
    answers = [f"Answer {number}." for number in range(len(reviews))]
    desk.model.script(*map(Say, answers))
    # `status` first: before it knows the tools, Claude Code takes none of them for read-only.
    desk.api.script(use("status"), reviews, Tell("Done."))
    desk.claude.print("Ask him all.", *ALLOWED)
    assert sorted(first_lines(desk.api.results()[1:])) == answers
    told = re.findall("Calling|completed", desk.claude.mcp_log())
    assert told == ["Calling", "completed"] + ["Calling"] * 3 + ["completed"] * 3


def test_escape_ends_what_codex_runs_and_he_can_be_asked_again(desk: Desk) -> None:
    desk.model.script(Run(LONG), Say("He goes on."))
    desk.api.script(use("consult", question="q"), use("consult", question="again"), Tell("I heard him."))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        processes.until(desk.folder, lambda found: LONG in found.values())
        terminal.press(ESCAPE)
        terminal.shows("Interrupted")
        processes.until(desk.folder, lambda found: not any(LONG in command for command in found.values()))
        terminal.submit("Ask him again.")
        terminal.shows("I heard him.")
    assert desk.api.results()[-1].startswith("He goes on.")


def test_a_window_that_is_closed_in_mid_turn_leaves_nothing_behind(desk: Desk) -> None:
    desk.model.script(Run(LONG))
    desk.api.script(use("consult", question="q"))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        processes.until(desk.folder, lambda found: LONG in found.values())
        terminal.hang_up()
        terminal.exit_code()
    processes.until(desk.folder, lambda left: not left)


def test_control_c_in_mid_turn_then_twice_to_quit_leaves_nothing_behind(desk: Desk) -> None:
    desk.model.script(Run(LONG))
    desk.api.script(use("consult", question="q"))
    with desk.claude.terminal(*ALLOWED) as terminal:
        terminal.submit("Ask Codex.")
        processes.until(desk.folder, lambda found: LONG in found.values())
        terminal.press(CONTROL_C)
        terminal.shows("Interrupted")
        terminal.press(CONTROL_C)
        terminal.shows("again to exit")
        terminal.press(CONTROL_C)
        assert terminal.exit_code() == 0
    processes.until(desk.folder, lambda left: not left)


def test_an_answer_of_300_000_characters_arrives_whole(desk: Desk) -> None:
    answer = "\n\n".join(f"{number:06} " + "x" * 991 for number in range(300)) + "\nThe end."
    desk.model.script(Say(answer))
    desk.api.script(use("consult", question="q"), Tell("Done."))
    desk.claude.print("Ask Codex.", *ALLOWED)
    [result] = desk.api.results()
    assert result.startswith(answer), result[:1000]


def test_an_answer_of_700_000_characters_arrives_cut_and_claude_reads_on_in_a_resource(desk: Desk) -> None:
    lines = [f"{number:06} " + "x" * 991 for number in range(700)]
    desk.model.script(Say("\n\n".join(lines) + "\n\nVERDICT: OPEN — the key"))
    desk.api.script(use("consult", question="q"), Tell("Done."))
    desk.claude.print("Ask Codex.", *ALLOWED)
    [result] = desk.api.results()
    head, pointer, verdict, footer = result.rsplit("\n\n", 3)
    assert verdict == "VERDICT: OPEN — the key"
    assert footer.startswith("— Codex")
    shown = head.split("\n\n")
    assert shown == lines[: len(shown)]
    assert pointer.startswith("✂️ Cut here")

    found = re.search(r"`(fusion://debates/\S+/)(\d+)`.*/(\d+)`;", pointer)
    assert found
    pages = [f"{found[1]}{number}" for number in range(int(found[2]), int(found[3]) + 1)]
    reading = [Use("ReadMcpResourceTool", {"server": SERVER, "uri": uri}) for uri in pages]
    # `status` first: before the server is connected, there are no resources to read.
    desk.api.script(use("status"), *reading, Tell("Done."))
    desk.claude.print("Read on.", "--allowedTools", TOOLS, "ReadMcpResourceTool")
    read = "".join(desk.api.results())
    assert [line[:6] for line in lines[len(shown) :] if line not in read] == []
