"""The pictures of the README, made anew: `python -m tests.support.picture`.

`docs/debate.svg` is what `codex-fusion demo` printed in a terminal of 92 columns, from its first call to the
end of the debate: a real run of the server. Only its temporary folder gets another name.
`docs/page.png` is the page of a debate that was made up (`example_debate`), in a browser.
"""

from __future__ import annotations

import re
import tempfile
from html import unescape
from pathlib import Path

import anyio
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme

from codex_fusion import page
from codex_fusion.demo import PACE_S, play
from codex_fusion.terminal import Screen, Tone, recorded
from tests.support import browser
from tests.support.example_debate import DEBATE

DOCS = Path(__file__).parents[2] / "docs"
SVG, PNG = DOCS / "debate.svg", DOCS / "page.png"
COLUMNS = 92
PNG_WIDTH, PNG_HEIGHT = 1200, 900
FOLDER, NAME = re.compile(r"/\S*codex-fusion-demo-\w{8}"), "~/src/payments"
_COLOURS: list[tuple[int, int, int]] = [
    (c.red, c.green, c.blue) for c in map(SVG_EXPORT_THEME.ansi_colors.__getitem__, range(16))
]
THEME = TerminalTheme((16, 17, 21), (232, 232, 238), _COLOURS[:8], _COLOURS[8:])
"""Of more contrast than rich's: what is dim must be legible."""
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>A debate between Claude and Codex, as codex-fusion demo prints it</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own, without the fonts that it would have fetched."""


class _Camera(Screen):
    """Lets through what is in the picture: the debate's calls, and of each what stays on a terminal."""

    def __init__(self, shown: Screen) -> None:
        self._shown = shown
        self._on = False

    def say(
        self, text: str = "", tone: Tone = Tone.PLAIN, lead: str = "", lead_tone: Tone = Tone.PLAIN
    ) -> None:
        if lead.startswith("▶"):
            self._on = not text.startswith("status")
        if self._on:
            self._shown.say(FOLDER.sub(NAME, text), tone, lead, lead_tone)

    def block(self, text: str, title: str, *, markdown: bool = True) -> None:
        if self._on:
            self._shown.block(FOLDER.sub(NAME, text), title, markdown=markdown)

    def running(self, line: str) -> None:
        pass

    def forget(self) -> None:
        pass


def debate(pace_s: float) -> str:
    """Run the demonstration, and draw it."""
    shown, console = recorded(COLUMNS)
    anyio.run(play, _Camera(shown), pace_s)
    return console.export_svg(title="codex-fusion demo", code_format=FORMAT, unique_id="debate", theme=THEME)


def words(svg: str) -> list[str]:
    """What is read in it, except how long it took."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg)
    told = unescape(" ".join(texts)).replace("\xa0", " ")
    return re.sub(r"\d+\.\d s", "… s", told).split()


def main() -> None:
    """Make both."""
    SVG.write_text(debate(PACE_S), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, browser.a_page() as shown:
        file = Path(folder) / "debate.html"
        file.write_text(page.html(DEBATE, "2026-11-21 13:03"), encoding="utf-8")
        shown.size(PNG_WIDTH, PNG_HEIGHT)
        shown.do("Emulation.setScrollbarsHidden", hidden=True)
        shown.open(file)
        shown.picture(PNG, whole=False)


if __name__ == "__main__":
    main()
