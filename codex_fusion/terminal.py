"""Where a person reads and types: colour, one live line and Markdown on a terminal; plain text in a pipe.

The only importer of rich, and that only where there is a terminal. What models and commands wrote is never
taken for markup, and none of it moves the cursor: control characters are shown, not sent.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from enum import Enum
from io import StringIO
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, TextIO

import anyio

from codex_fusion.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live

WIDTH = 100
"""Columns of running prose: longer lines are hard to read."""
LAST_COLUMN = 24
"""Columns that the last one of a table needs; with less it goes below."""
PASTE_LIMIT = 1_000_000
"""Characters of one answer."""
_CHUNK = 4096


class Tone(Enum):
    """What a line is; the value is rich's style for it."""

    PLAIN = ""
    HEAD = "bold"
    FAINT = "dim"
    GOOD = "green"
    ASKS = "bold yellow"
    BAD = "bold red"


class Screen:
    """Plain text, as a pipe or a terminal without abilities takes it; lines are never wrapped or cut."""

    live = False
    """Can it show a line that changes?"""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = ""

    def say(
        self, text: str = "", tone: Tone = Tone.PLAIN, lead: str = "", lead_tone: Tone = Tone.PLAIN
    ) -> None:
        """Print lines that stay. What follows the first one stands under its beginning, right of `lead`."""
        del tone, lead_tone
        self._settle()
        self._lines(f"{lead}{text}".replace("\n", "\n" + " " * len(lead)))

    def markdown(self, text: str) -> None:
        """Print Markdown: rendered on a terminal, as it is in a pipe."""
        self._settle()
        self._lines(text)

    def block(self, text: str, title: str, *, markdown: bool = True) -> None:
        """Print a text set apart."""
        del title, markdown
        self._settle()
        self._lines("\n".join(f" │ {line}" for line in text.splitlines()))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows; the last column may be long."""
        del heads
        for row in rows:
            self._lines("  ".join(row))

    def running(self, line: str) -> None:
        """Text that grows, or a state: each replaces the one before; a pipe gets the last one."""
        self._last = line

    async def progress(self, message: str) -> None:
        """One message of progress, as `progress.Progress` makes them."""
        for line in message.splitlines():
            if line.startswith("↳"):
                self.say(line.removeprefix("↳").strip(), Tone.FAINT, "   ↳ ", Tone.FAINT)
            else:
                self.running(line)

    def forget(self) -> None:
        """Take the running line away: what it told is over."""
        self._last = ""

    def prompt(self, text: str) -> None:
        """What a person is to answer; no line break follows."""
        self._settle()
        self._out.write(printable(text))
        self._out.flush()

    def _settle(self) -> None:
        last, self._last = self._last, ""
        if last:
            self._lines(f"   {last}")

    def _lines(self, text: str) -> None:
        # A pipe gets the text as it is; a dumb terminal is one all the same.
        self._out.write((printable(text) if self._out.isatty() else text) + "\n")
        self._out.flush()


class _Rich(Screen):
    """A terminal, or a pipe that wants its colours. NO_COLOR is rich's to keep."""

    def __init__(self, out: TextIO, recorded: int | None = None) -> None:
        from rich.console import Console
        from rich.theme import Theme

        super().__init__(out)
        self.live = recorded is None and out.isatty()
        # rich's own styles have a black ground, which is a hole in a light terminal.
        theme = Theme({"markdown.code": "cyan", "markdown.code_block": ""})
        self.console: Console = Console(
            file=out,
            force_terminal=True,
            markup=False,
            highlight=False,
            emoji=False,
            theme=theme,
            record=recorded is not None,
            # A pipe has no width of its own.
            width=recorded or (None if self.live or os.environ.get("COLUMNS") else WIDTH),
        )
        self._live: Live | None = None

    def say(
        self, text: str = "", tone: Tone = Tone.PLAIN, lead: str = "", lead_tone: Tone = Tone.PLAIN
    ) -> None:
        from rich.table import Table
        from rich.text import Text

        said = Text(printable(text), tone.value)
        if not lead:
            self._print(said)
            return
        grid = Table.grid()
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(lead, lead_tone.value), said)
        self._print(grid)

    def markdown(self, text: str) -> None:
        self._print(_rendered(text), width=WIDTH)

    def block(self, text: str, title: str, *, markdown: bool = True) -> None:
        from rich.panel import Panel
        from rich.text import Text

        inner = _rendered(text) if markdown else Text(printable(text))
        self._print(Panel(inner, title=title, title_align="left", border_style="cyan", padding=(0, 1)), WIDTH)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        from rich.text import Text

        lines = [list(heads), *([printable(cell) for cell in row] for row in rows)]
        widths = [max(Text(line[column]).cell_len for line in lines) + 2 for column in range(len(heads) - 1)]
        # Where there is no room for the last column, each row is two lines.
        ends = list(accumulate(widths))
        whole = self.console.width >= sum(widths) + LAST_COLUMN
        first = len(heads) if whole else sum(end <= self.console.width + 2 for end in ends)
        for number, line in enumerate(lines):
            style = Tone.PLAIN.value if number else Tone.FAINT.value
            padded = [
                cell + " " * (width - Text(cell).cell_len) for cell, width in zip(line, widths, strict=False)
            ]
            padded.append(line[-1])
            for cells in filter(None, (padded[:first], padded[first:])):
                shown = Text("".join(cells) if cells[0] is padded[0] else "  " + "".join(cells), style)
                shown.rstrip()
                shown.truncate(self.console.width, overflow="ellipsis")
                self._print(shown)

    def running(self, line: str) -> None:
        if not self.live:
            super().running(line)
            return
        from rich.live import Live

        shown = _last_of(line, self.console)
        if self._live is None:
            self._live = Live(
                shown,
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        else:
            self._live.update(shown, refresh=True)

    def forget(self) -> None:
        super().forget()
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):  # the terminal is gone, and the line with it
                live.stop()

    def prompt(self, text: str) -> None:
        from rich.text import Text

        self._settle()
        self.forget()
        self.console.print(Text(printable(text), Tone.ASKS.value), end="")
        self._out.flush()

    def _lines(self, text: str) -> None:
        from rich.text import Text

        self.console.print(Text(printable(text), Tone.FAINT.value))

    def _print(self, what: RenderableType, width: int | None = None) -> None:
        self._settle()
        self.forget()
        self.console.print(what, width=min(width or self.console.width, self.console.width))


def _last_of(line: str, console: Console) -> RenderableType:
    """The end of a line of progress, as wide as the terminal: what is new stands there."""
    from rich.cells import cell_len, chop_cells
    from rich.text import Text

    line, room = printable(line), max(8, console.width - 4)
    if cell_len(line) > room:
        line = "…" + chop_cells(line[::-1], room - 1)[0][::-1]
    return Text(f"   {line}", Tone.FAINT.value, no_wrap=True, overflow="crop")


def _rendered(text: str) -> RenderableType:
    """Markdown as rich renders it, except that nothing is left out or joined: HTML, images, line breaks."""
    from markdown_it import MarkdownIt
    from rich.markdown import CodeBlock, Markdown, MarkdownElement
    from rich.syntax import Syntax

    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")

    class Code(CodeBlock):
        """Without the empty lines that rich puts around it."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            del console, options
            code = str(self.text).rstrip()
            yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 1))

    class Shown(Markdown):
        elements: ClassVar[dict[str, type[MarkdownElement]]] = {
            **Markdown.elements,
            "fence": Code,
            "code_block": Code,
        }

    # A link's address is shown beside its text; code has the terminal's own colours.
    shown = Shown("", hyperlinks=False, code_theme="ansi_dark")
    shown.markup = printable(text)
    shown.parsed = parser.parse(shown.markup)
    for token in shown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return shown


def silence() -> None:
    """Whoever read us has gone: the interpreter would still try to write what is left, and complain."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 a device is no path
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)


def screen(out: TextIO) -> Screen:
    """The screen for a stream: rich on a terminal that can do more than print, or with FORCE_COLOR."""
    wanted = out.isatty() or os.environ.get("FORCE_COLOR", "")
    capable = os.environ.get("TERM", "") not in ("dumb", "unknown")
    return _Rich(out) if wanted and capable else Screen(out)


def recorded(width: int) -> tuple[Screen, Console]:
    """A screen of so many columns, and the console that keeps all that stays on it, for a picture."""
    shown = _Rich(StringIO(), width)
    return shown, shown.console


class Keyboard:
    """A person's answers, from a terminal. `fd` is read line by line, as the terminal edits them."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def ask(self, shown: Screen, prompt: str) -> str | None:
        """The answer to a prompt; lines that were pasted with it belong to it. None: the person hung up."""
        # What was typed before the question was seen is no answer to it.
        _discard_typed(self._fd)
        shown.prompt(prompt)
        data = await self._read()
        while data and len(data) < PASTE_LIMIT and select.select([self._fd], [], [], 0)[0]:
            more = await self._read()
            if not more:
                break
            data += more
        return data.decode(errors="replace").strip() if data else None

    async def _read(self) -> bytes:
        # Not in a thread: nothing could end one that waits for a key.
        await anyio.wait_readable(self._fd)
        try:
            return os.read(self._fd, _CHUNK)
        except OSError:  # Linux's way to say that the terminal is gone
            return b""


def keyboard(stdin: TextIO, out: TextIO, *, stdin_is_used: bool = False) -> Keyboard | None:
    """The keyboard of whoever reads `out`; None: nobody is there to answer.

    Where stdin brought a text, the person is still at the terminal that shows the answer.
    """
    if sys.platform == "win32" or not out.isatty():
        return None
    if stdin.isatty():
        return Keyboard(stdin.fileno())
    if not stdin_is_used:
        return None
    try:
        return Keyboard(os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return None


def _discard_typed(fd: int) -> None:
    import termios

    try:
        termios.tcflush(fd, termios.TCIFLUSH)
    except termios.error:
        return  # it is gone; reading tells
