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
    assert "agent: " in installation.first_status


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
