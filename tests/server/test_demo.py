"""`codex-fusion demo`: the whole debate, without an account, and nothing of the user's touched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support import picture, processes
from tests.support.terminal import Terminal
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

DEMO = (sys.executable, "-m", "codex_fusion.cli", "demo")
LONGEST = 80
"""Lines of it in a pipe."""


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(folder), "TMPDIR": str(folder)}


def test_in_a_pipe_it_is_plain_short_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment(tmp_path),
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) <= LONGEST
    for words in (
        "▶ Claude calls consult(",
        "Codex paused",
        "▶ Claude calls permit(",
        "CONSENSUS",
        "now: idle",
    ):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert processes.of(tmp_path) == {}


def test_on_a_terminal_the_answer_streams_and_is_set_apart(tmp_path: Path) -> None:
    with Terminal(DEMO, tmp_path, environment(tmp_path)) as terminal:
        terminal.shows("▶ Claude calls consult(")
        terminal.shows("🔐 Codex paused")
        terminal.shows("─ Codex ─")
        terminal.shows("CONSENSUS")
        terminal.shows("─ the server ─")
        assert terminal.exit_code() == 0


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with Terminal(DEMO, tmp_path, environment(tmp_path)) as terminal:
        terminal.shows("▶ Claude calls permit(")
        terminal.press("\x03")
        assert terminal.exit_code() == 130
    assert "Traceback" not in terminal.text
    processes.until(tmp_path, lambda left: not left)
    assert list(tmp_path.iterdir()) == []


def test_the_picture_in_the_readme_is_what_it_prints_and_fetches_nothing() -> None:
    shown = picture.SVG.read_text("utf-8")
    assert picture.words(shown) == picture.words(picture.debate(pace_s=0)), "python -m tests.support.picture"
    assert re.findall(r"https?:[^\s\"']*", shown) == ["http://www.w3.org/2000/svg"]
    assert "url(http" not in shown
    assert "@import" not in shown
