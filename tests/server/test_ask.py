"""`codex-fusion ask`: on a terminal with a person at it, and in a pipe with nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from codex_fusion.archive import Archive
from codex_fusion.ask import NOBODY_NOTE, PERMIT_PROMPT, REPLY_PROMPT, Choice, read_choice
from tests.support import processes
from tests.support.rogue_script import (
    ONLY_STANDING,
    ask,
    failed_reply,
    gate,
    hang,
    ignore,
    spawn_child,
    text,
    wait_for_answers,
)
from tests.support.terminal import ENTER, Terminal
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.played import Played

INTERRUPT = "\x03"
END_OF_FILE = "\x04"
COMMAND = (sys.executable, "-m", "codex_fusion.cli", "ask")
OPEN = "Not yet.\n\nVERDICT: OPEN — is the key shared?"
PERMIT, REPLY = PERMIT_PROMPT.strip(), REPLY_PROMPT.strip()
STUBBORN = (ignore("SIGTERM"), ignore("EOF"), spawn_child("stdout", "stderr"))


def environment(played: Played, **extra: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **played.environment, **extra}


@contextmanager
def at_terminal(
    played: Played, *arguments: str, command: tuple[str, ...] = COMMAND, **extra: str
) -> Iterator[Terminal]:
    with Terminal((*command, *arguments), played.workspace, environment(played, **extra)) as terminal:
        yield terminal


def in_pipe(
    played: Played, *arguments: str, stdin: str = "", **extra: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*COMMAND, *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        cwd=played.workspace,
        env=environment(played, **extra),
        timeout=LIMIT_S,
        check=False,
    )


def ended(terminal: Terminal, played: Played) -> int:
    """The exit code, when nothing of it is left."""
    code = terminal.exit_code()
    played.rogue.wait_until_gone()
    assert "Traceback" not in terminal.text
    assert list(played.temp.iterdir()) == []
    return code


def kept(played: Played) -> tuple[str, str]:
    """Of the one debate that is kept: who asked, and what became of the first request."""
    archive = Archive(environment(played))
    [debate] = [archive.read(name) for name in archive.ids()]
    assert debate is not None
    return debate.asker, debate.rounds[0].decided[0].fate


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("a", (Choice.ALLOW, "")),
        ("Allow only the cache", (Choice.ALLOW, "only the cache")),
        ("yes, once", (Choice.ALLOW, "once")),
        ("d", (Choice.DENY, "")),
        ("deny use git log", (Choice.DENY, "use git log")),
        ("n: never", (Choice.DENY, "never")),
        ("", None),
        ("always", None),
        ("allowed", None),
        ("what is it?", None),
    ],
)
def test_only_a_clear_word_decides(answer: str, choice: tuple[Choice, str] | None) -> None:
    assert read_choice(answer) == choice


# On a terminal


def test_a_whole_debate_with_a_permission(played: Played, tmp_path: Path) -> None:
    agent = f"'{sys.executable}' -m codex_fusion.scripted_agent --pace 0"
    env = environment(played, CODEX_FUSION_ACP_COMMAND=agent)
    with Terminal((*COMMAND, "Is it safe to retry?"), played.workspace, env) as terminal:
        terminal.shows("↳ runs `pytest -q tests/test_client.py`")
        terminal.shows("Codex's reason: The tests write a cache")
        terminal.shows(PERMIT)
        terminal.submit("perhaps")
        terminal.shows(PERMIT)
        terminal.submit("a only the cache")
        terminal.shows("No, not as it stands.")
        terminal.shows("OPEN: push back")
        terminal.shows(REPLY)
        terminal.submit("Line 41 is only the trace id.")
        terminal.shows("CONSENSUS")
        terminal.shows(REPLY)
        terminal.press(ENTER)
        assert terminal.exit_code() == 0
    assert "Decide with `permit`" not in terminal.text
    assert "turn=1" not in terminal.text  # the server's own record
    processes.until(tmp_path, lambda left: not left)


def test_a_denial_reaches_codex_with_its_note(played: Played) -> None:
    played.rogue.prompt(ask("rm -r build")).prompt(text(OPEN))
    with at_terminal(played, "q", CODEX_FUSION_PERMIT="human") as terminal:
        terminal.shows("rm -r build")
        terminal.shows(PERMIT)
        terminal.submit("d use git clean -n")
        terminal.shows("Not yet.")
        terminal.shows(REPLY)
        terminal.press(END_OF_FILE)
        assert ended(terminal, played) == 0
    assert "The user's note: use git clean -n" in played.rogue.prompts()[-1]
    assert kept(played) == ("You", "denied by the person")
    assert [answer for _, answer in played.rogue.answers()] == ["cancel"]


def test_of_several_requests_each_is_decided(played: Played) -> None:
    asks = (ask("touch x", answered=False), ask("touch y", answered=False))
    played.rogue.prompt(*asks, wait_for_answers(), text(OPEN))
    with at_terminal(played, "q") as terminal:
        for _ in asks:
            terminal.shows(PERMIT)
            terminal.submit("a")
        terminal.shows("Not yet.")
        terminal.shows(REPLY)
        terminal.press(ENTER)
        assert ended(terminal, played) == 0
    assert [answer for _, answer in played.rogue.answers()] == ["allow_once", "allow_once"]


def test_what_can_not_be_allowed_once_is_told_and_denied(played: Played) -> None:
    played.rogue.prompt(ask("touch x", options=ONLY_STANDING)).prompt(text(OPEN))
    with at_terminal(played, "q") as terminal:
        terminal.shows(PERMIT)
        terminal.submit("a")
        terminal.shows("can't be allowed")
        terminal.shows("Not yet.")
        terminal.shows(REPLY)
        terminal.press(ENTER)
        assert ended(terminal, played) == 0


def test_a_person_who_hangs_up_at_a_request_has_denied_it(played: Played) -> None:
    played.rogue.prompt(ask("touch x")).prompt(text(OPEN))
    with at_terminal(played, "q") as terminal:
        terminal.shows(PERMIT)
        terminal.press(END_OF_FILE)
        assert ended(terminal, played) == 3
    assert [answer for _, answer in played.rogue.answers()] == ["cancel"]


def test_an_exploration_has_no_reply(played: Played) -> None:
    played.rogue.prompt(text("Two modules."))
    with at_terminal(played, "--tool", "explore") as terminal:
        assert ended(terminal, played) == 0
    assert "Two modules." in terminal.text
    assert REPLY not in terminal.text


def test_with_a_text_from_stdin_the_person_is_still_asked(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text(OPEN))
    script = f"echo from the pipe | '{sys.executable}' -m codex_fusion.cli ask q --context -"
    with at_terminal(played, command=("/bin/sh", "-c", script)) as terminal:
        terminal.shows(PERMIT)
        terminal.submit("a")
        terminal.shows("Not yet.")
        terminal.shows(REPLY)
        terminal.press(ENTER)
        assert ended(terminal, played) == 0
    assert "from the pipe" in played.rogue.prompts()[0]


@pytest.mark.parametrize("often", [1, 3])
def test_an_interrupt_in_mid_turn_leaves_nothing(played: Played, often: int) -> None:
    played.rogue.prompt(*STUBBORN, text("so far"), hang())
    with at_terminal(played, "q") as terminal:
        played.rogue.wait_for("doing", limit_s=LIMIT_S, do="hang")
        terminal.press(INTERRUPT * often)
        assert ended(terminal, played) == 130


def test_an_interrupt_while_the_agent_starts_leaves_nothing(played: Played) -> None:
    played.rogue.on("initialize", *STUBBORN, hang())
    with at_terminal(played, "q") as terminal:
        played.rogue.wait_for("doing", limit_s=LIMIT_S, do="hang")
        terminal.press(INTERRUPT)
        assert ended(terminal, played) == 130


def test_an_interrupt_at_a_prompt_leaves_nothing(played: Played) -> None:
    played.rogue.prompt(ask("touch x"), text(OPEN))
    with at_terminal(played, "q") as terminal:
        terminal.shows(PERMIT)
        terminal.press(INTERRUPT)
        assert ended(terminal, played) == 130
    assert "allow_once" not in [answer for _, answer in played.rogue.answers()]


def test_a_terminal_that_is_closed_ends_it(played: Played) -> None:
    played.rogue.prompt(text("so far"), hang())
    with at_terminal(played, "q") as terminal:
        played.rogue.wait_for("doing", limit_s=LIMIT_S, do="hang")
        terminal.hang_up()
        assert ended(terminal, played) == 128 + signal.SIGHUP


# In a pipe


def test_a_pipe_gets_the_answer_alone(played: Played) -> None:
    played.rogue.prompt(text(OPEN))
    done = in_pipe(played, "q")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{OPEN}\n\n— Codex · ")
    assert "\x1b" not in done.stdout + done.stderr
    assert "↳ starting the agent" in done.stderr
    assert "turn=1" not in done.stderr
    played.rogue.wait_until_gone()


def test_what_was_asked_is_in_the_log(played: Played) -> None:
    played.rogue.prompt(text(OPEN))
    assert in_pipe(played, "Is it safe to retry?").returncode == 0
    logged = subprocess.run(
        (sys.executable, "-m", "codex_fusion.cli", "log"),
        capture_output=True,
        text=True,
        cwd=played.workspace,
        env=environment(played),
        timeout=LIMIT_S,
        check=True,
    )
    assert " 1 round   open       Is it safe to retry?" in logged.stdout


def test_the_question_comes_from_stdin(played: Played) -> None:
    played.rogue.prompt(text(OPEN))
    assert in_pipe(played, "--tool", "review_plan", "-", stdin="first this, then that").returncode == 0
    assert "first this, then that" in played.rogue.prompts()[0]


def test_with_nobody_there_a_request_is_told_and_denied(played: Played) -> None:
    played.rogue.prompt(ask("touch x", reason="to see")).prompt(text(OPEN))
    done = in_pipe(played, "q")
    assert done.returncode == 3
    assert "touch x" in done.stderr
    assert "Codex's reason: to see" in done.stderr
    assert "r1 is denied" in done.stderr
    assert done.stdout.startswith(OPEN)
    assert [answer for _, answer in played.rogue.answers()] == ["cancel"]
    assert NOBODY_NOTE in played.rogue.prompts()[-1]
    assert kept(played) == ("You", "denied by codex-fusion: nobody was there to be asked")


def test_a_failure_is_told_on_stderr(played: Played) -> None:
    played.rogue.prompt(failed_reply("limit", "You have hit your limit."))
    done = in_pipe(played, "q")
    assert (done.returncode, done.stdout) == (1, "")
    assert "You have hit your limit." in done.stderr
    assert "status=failed" in done.stderr  # what the server recorded


def test_an_agent_that_is_not_there_is_told(played: Played) -> None:
    done = in_pipe(played, "q", CODEX_FUSION_ACP_COMMAND="no-such-agent")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'no-such-agent', which is no command" in done.stderr


def test_a_termination_leaves_nothing(played: Played) -> None:
    played.rogue.prompt(*STUBBORN, text("so far"), gate("never opened"))
    process = subprocess.Popen(
        (*COMMAND, "q"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=played.workspace,
        env=environment(played),
    )
    played.rogue.wait_for("doing", limit_s=LIMIT_S, do="gate")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    played.rogue.wait_until_gone()
