from __future__ import annotations

import os
import re
import select
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, TextIO

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.terminal import Keyboard, Screen, Tone, keyboard, screen
from codex_fusion.wording import printable
from tests.support.terminal import plain
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = 60
ERASE_LINE = "\x1b[2K"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@dataclass
class Pty:
    """A terminal, and all that it was sent."""

    out: TextIO
    master: int
    _sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def close(self) -> None:
        self.out.close()
        self._reader.join(LIMIT_S)

    @property
    def raw(self) -> str:
        """All of it; the terminal is closed, to know that nothing more comes."""
        self.close()
        return b"".join(self._sent).decode().replace("\r\n", "\n")

    def _listen(self) -> None:
        while True:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:  # Linux's way to say that no one has the other side any more
                return
            if not data:
                return
            self._sent.append(data)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


@contextmanager
def a_terminal() -> Iterator[Pty]:
    master, slave = os.openpty()
    terminal = Pty(os.fdopen(slave, "w"), master)
    try:
        yield terminal
    finally:
        terminal.close()
        os.close(master)


@pytest.fixture
def terminal() -> Iterator[Pty]:
    with a_terminal() as terminal:
        yield terminal


def test_a_pipe_gets_plain_text_that_is_not_wrapped() -> None:
    out = StringIO()
    shown = screen(out)
    assert not shown.live
    shown.say("a " * 200, Tone.BAD, lead="ok  ")
    shown.say("one\ntwo", lead="    ")
    shown.markdown("# head\n\n`code`")
    shown.block("a\nb", "title")
    shown.table(("id", "about"), [("1", "x"), ("2", "y")])
    shown.prompt("? ")
    text = "ok  " + "a " * 200 + "\n    one\n    two\n# head\n\n`code`\n │ a\n │ b\n1  x\n2  y\n? "
    assert out.getvalue() == text


@pytest.mark.anyio
async def test_a_pipe_gets_each_activity_and_the_last_state_before_it() -> None:
    out = StringIO()
    shown = Screen(out)
    await shown.progress("I will")
    await shown.progress("I will look\n↳ reads a.txt\nso")
    await shown.progress("so it is")
    shown.forget()
    shown.say("end")
    assert out.getvalue() == "   I will look\n   ↳ reads a.txt\nend\n"


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_plain_text(terminal: Pty, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TERM", name)
    shown = screen(terminal.out)
    shown.say("bad\x1b[2J", Tone.BAD)
    shown.running("state")
    shown.forget()
    assert terminal.raw == "bad\\x1b[2J\n"


def test_a_terminal_gets_colour(terminal: Pty) -> None:
    screen(terminal.out).say("bad", Tone.BAD)
    assert terminal.raw == "\x1b[1;31mbad\x1b[0m\n"


def test_no_color_is_kept(terminal: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = screen(terminal.out)
    shown.say("bad", Tone.BAD, lead="ok ", lead_tone=Tone.GOOD)
    shown.markdown("# head\n\n[a](http://e) `b`")
    raw = terminal.raw
    assert not re.search(r"\x1b\[[\d;]*3[0-7]|\x1b\[[\d;]*4[0-7]|38;5|38;2", raw)
    assert "bad" in raw


def test_force_color_gives_a_pipe_its_colours_and_no_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("COLUMNS")
    out = StringIO()
    shown = screen(out)
    shown.running("first")
    shown.running("last")
    shown.say("bad " * 20, Tone.BAD)
    shown.running("left out")
    shown.forget()
    shown.prompt("? ")
    assert not shown.live
    bad = ("bad " * 20).rstrip()
    assert out.getvalue() == f"\x1b[2m   last\x1b[0m\n\x1b[1;31m{bad} \x1b[0m\n\x1b[1;33m? \x1b[0m"


@pytest.mark.parametrize(("name", "value"), [("FORCE_COLOR", ""), ("TERM", "dumb")])
def test_an_empty_force_color_is_none_and_a_dumb_terminal_stays_dumb(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv(name, value)
    out = StringIO()
    screen(out).say("bad", Tone.BAD)
    assert out.getvalue() == "bad\n"


def test_no_color_goes_before_force_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    out = StringIO()
    screen(out).say("bad", Tone.GOOD)
    assert out.getvalue() == "bad\n"


def test_there_is_one_live_line_as_wide_as_the_terminal_and_it_goes_away(terminal: Pty) -> None:
    shown = screen(terminal.out)
    shown.running("first")
    shown.running("x" * 500 + " the end")
    shown.say("what stays")
    raw = terminal.raw
    assert raw.count(ERASE_LINE) >= 2
    assert raw.index(HIDE) < raw.rindex(SHOW) < raw.index("what stays")
    longest = max(plain(raw).replace("\r", "\n").splitlines(), key=len)
    assert "the end" in longest
    assert all(len(piece) <= COLUMNS for piece in re.split(r"   (?=…)", longest))


def test_wide_characters_are_counted_as_wide(terminal: Pty) -> None:
    screen(terminal.out).running("漢" * 100)
    assert plain(terminal.raw).count("漢") <= COLUMNS // 2


def test_what_follows_stands_right_of_its_lead(terminal: Pty) -> None:
    screen(terminal.out).say("word " * 30, lead="ok      ")
    lines = plain(terminal.raw).splitlines()
    assert len(lines) > 1
    assert lines[0].startswith("ok      word")
    assert all(line.startswith("        word") and len(line) <= COLUMNS for line in lines[1:])


def test_an_answer_is_rendered_and_nothing_of_it_is_lost(terminal: Pty) -> None:
    answer = (
        "**bold** <div>kept</div>\nnext ![pic](http://e/p.png) [link](http://e/l)\n\n<p>\nblock\n</p>\n\n`c`"
    )
    screen(terminal.out).markdown(answer)
    text = plain(terminal.raw)
    assert "**" not in text
    for words in ("bold", "<div>kept</div>", "\nnext", "pic", "http://e/p.png", "http://e/l", "<p>", "block"):
        assert words in text


def test_a_block_has_its_title_and_fits(terminal: Pty) -> None:
    shown = screen(terminal.out)
    shown.block("*a* " * 60, "Codex")
    shown.block("*as it is*", "the server", markdown=False)
    text = plain(terminal.raw)
    assert "─ Codex ─" in text
    assert "*as it is*" in text
    assert max(map(len, text.splitlines())) <= COLUMNS


def test_a_table_is_cut_at_the_right(terminal: Pty) -> None:
    screen(terminal.out).table(("id", "about"), [("20260101", "y" * 200)])
    text = plain(terminal.raw)
    assert "20260101" in text
    assert "…" in text
    assert max(map(len, text.splitlines())) <= COLUMNS


def test_a_table_that_is_too_wide_has_its_last_column_below(terminal: Pty) -> None:
    heads, row = (
        ("id", "began", "about"),
        ("20260101", "2026-01-01 12:00 or a little later", "what it is about, and more"),
    )
    screen(terminal.out).table(heads, [row])
    assert plain(terminal.raw).splitlines() == [
        "id        began",
        "  about",
        "20260101  2026-01-01 12:00 or a little later",
        "  what it is about, and more",
    ]


def test_a_block_of_code_has_no_empty_lines_around_it(terminal: Pty) -> None:
    screen(terminal.out).markdown("a\n\n```python\nx = 1\n```\n\nb")
    assert [line.strip() for line in plain(terminal.raw).splitlines()] == ["a", "", "x = 1", "", "b"]


def test_markup_of_rich_is_text(terminal: Pty) -> None:
    shown = screen(terminal.out)
    shown.say("[bold]a[/bold] :smile:")
    shown.prompt("[y/N] ")
    assert "[bold]a[/bold] :smile:\n[y/N] " in plain(terminal.raw)


@given(st.text())
def test_what_is_printable_moves_no_cursor_and_hides_nothing(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()


def test_what_people_write_is_printable_as_it_is() -> None:
    text = "naïve — 漢字 🙂 👩\u200d👧 a\u00a0b\tc\n"
    assert printable(text) == text


@pytest.mark.parametrize("dangerous", ["\x1b]0;title\x07", "\x1b[2J", "\r", "\x9b2J", "\u202e", "\x08"])
def test_no_text_of_a_model_commands_the_terminal(terminal: Pty, dangerous: str) -> None:
    shown = screen(terminal.out)
    for show in (shown.say, shown.markdown, shown.running, shown.prompt):
        show(f"a{dangerous}b")
    shown.block(f"a{dangerous}b", "title")
    shown.table(("a",), [(f"a{dangerous}b",)])
    shown.forget()
    assert f"a{dangerous}b" not in terminal.raw


# The keyboard


def typed(terminal: Pty, keys: str) -> None:
    terminal.type(keys)
    assert select.select([terminal.out.fileno()], [], [], LIMIT_S)[0]


async def answer(terminal: Pty, keys: str) -> str | None:
    """What comes of keys pressed when the prompt was seen."""

    class Seen(Screen):
        def prompt(self, text: str) -> None:
            super().prompt(text)
            terminal.type(keys)

    with anyio.fail_after(LIMIT_S):
        return await Keyboard(terminal.out.fileno()).ask(Seen(terminal.out), "? ")


@pytest.mark.anyio
async def test_an_answer_is_a_line(terminal: Pty) -> None:
    assert await answer(terminal, " yes, därum \n") == "yes, därum"
    assert await answer(terminal, "\n") == ""


@pytest.mark.anyio
async def test_what_is_pasted_is_one_answer(terminal: Pty) -> None:
    assert await answer(terminal, "one\ntwo\nthree\n") == "one\ntwo\nthree"


@pytest.mark.anyio
async def test_what_was_typed_before_the_question_is_no_answer(terminal: Pty) -> None:
    typed(terminal, "a\n")
    assert await answer(terminal, "deny\n") == "deny"


@pytest.mark.anyio
async def test_a_person_who_hangs_up_gives_no_answer(terminal: Pty) -> None:
    assert await answer(terminal, "\x04") is None


def test_there_is_a_keyboard_where_both_sides_are_a_terminal(terminal: Pty) -> None:
    stdin = os.fdopen(os.dup(terminal.out.fileno()))
    with stdin:
        assert keyboard(stdin, terminal.out) is not None
        assert keyboard(stdin, StringIO()) is None


def test_without_a_terminal_on_stdin_nobody_answers(terminal: Pty) -> None:
    assert keyboard(StringIO(), terminal.out) is None
