"""Several windows of the real Claude Code on one workspace: what a `/clear` in one is for Codex in each."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.client.conftest import ALLOWED, TOOLS
from tests.support.scripted_claude import Tell, Use
from tests.support.scripted_model import Say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.client.conftest import Desk
    from tests.support.terminal import Terminal

SERVER = (sys.executable, "-I", "-m", "codex_fusion.cli", "serve")
BEHIND_LAUNCHERS = ("sh", "-c", 'sh -c "$0"; exit $?', f"{shlex.join(SERVER)}; exit $?")
"""Two of them, as `uv run` and npx do it: each stays, and its child has its streams."""
_ORPHAN = (
    "import os, subprocess, sys\n"
    "watched, kept = os.pipe()\n"
    "if os.fork() == 0:\n"
    "    subprocess.Popen(sys.argv[1:], pass_fds=(kept,))\n"
    "    os._exit(0)\n"
    "os.close(kept), os.wait(), os.read(watched, 1)\n"
)
ORPHANED = (sys.executable, "-c", _ORPHAN, *SERVER)
"""The launcher ends no earlier than the server, which is no descendant of it all the same."""
BY_HAND = "mcp__codex-fusion"


class Window:
    """One window of Claude Code, in which Claude calls our tools."""

    def __init__(self, desk: Desk, terminal: Terminal, tools: str) -> None:
        self._desk = desk
        self._terminal = terminal
        self._tools = tools
        self._calls = 0

    def consult(self, question: str, answer: str) -> str:
        return self._call("consult", answer, question=question)

    def reply(self, message: str, answer: str) -> str:
        return self._call("reply", answer, message=message)

    def clear(self) -> None:
        """The next call in this window comes after it, and after the hook; one in another window may not."""
        self._terminal.submit("/clear")
        self._terminal.shows("you: /clear")

    def _call(self, tool: str, answer: str, **arguments: str) -> str:
        self._calls += 1
        end = f"That was call {self._calls}."
        self._desk.model.script(Say(answer))
        self._desk.api.script(Use(f"{self._tools}__{tool}", dict(arguments)), Tell(end))
        self._terminal.submit(f"Make call {self._calls}.")
        self._terminal.shows(end)
        result = self._desk.api.results()[-1]
        assert result.startswith(answer), result
        return result


@contextmanager
def a_window(desk: Desk) -> Iterator[Window]:
    """With the server of the plugin."""
    with desk.claude.terminal(*ALLOWED) as terminal:
        yield Window(desk, terminal, TOOLS)


@contextmanager
def a_window_with(desk: Desk, server: Sequence[str]) -> Iterator[Window]:
    """With a server that was registered by hand. The hook is the plugin's."""
    entry = {"command": server[0], "args": list(server[1:]), "alwaysLoad": True}
    config = json.dumps({"mcpServers": {"codex-fusion": entry}})
    with desk.claude.terminal(
        "--strict-mcp-config", "--mcp-config", config, "--allowedTools", BY_HAND
    ) as terminal:
        yield Window(desk, terminal, BY_HAND)


def codex_remembers(desk: Desk, words: str) -> bool:
    """Whether they were in the history that Codex last sent to his model."""
    return words in json.dumps(desk.model.requests[-1]["input"])


def session(desk: Desk) -> str:
    """Codex's own name of the session that last asked his model."""
    return str(desk.model.requests[-1]["prompt_cache_key"])


def test_a_clear_in_one_window_resets_codex_for_that_window_only(desk: Desk) -> None:
    with a_window(desk) as first, a_window(desk) as second:
        first.consult("the first's question", "A.")
        first_session = session(desk)
        second.consult("the second's question", "B.")
        second_session = session(desk)
        assert second_session != first_session

        first.clear()
        assert "new session" in first.consult("another", "C.")
        assert session(desk) not in (first_session, second_session)
        assert not codex_remembers(desk, "the first's question")

        assert "round 2" in second.reply("but", "D.")
        assert session(desk) == second_session
        assert codex_remembers(desk, "the second's question")


def test_behind_launchers_the_window_is_told_and_where_it_cannot_be_any_clear_counts(desk: Desk) -> None:
    with a_window_with(desk, BEHIND_LAUNCHERS) as told, a_window_with(desk, ORPHANED) as untold:
        told.consult("q", "A.")
        untold.consult("q", "B.")
        untold.clear()
        assert "new session" in untold.consult("q", "C.")
        assert "round 2" in told.reply("but", "D.")
        told.clear()
        assert "new session" in told.consult("q", "E.")
        assert "new session" in untold.consult("q", "F.")
