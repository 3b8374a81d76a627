"""The page of a debate, as a real browser shows it: nothing fetched or run, nothing cut off, all legible."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from codex_fusion.page import html
from tests.support.browser import Page, a_page
from tests.support.example_debate import DEBATE
from tests.unit.test_page import poisoned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codex_fusion.debates import Debate

PHONE, TABLET, DESKTOP = 320, 768, 1300
LEGIBLE = 4.5
"""The contrast that WCAG 2 asks of text at level AA."""
WIDE = "x" * 400
HOSTILE = f"""\
<script>document.title = "run"</script><img src="http://127.0.0.1:9/a.png" onerror="document.title = 'run'">
![i](http://127.0.0.1:9/b.png) <iframe src="http://127.0.0.1:9/c"></iframe> </style><style>@import "http://127.0.0.1:9/d"</style>
<svg onload="document.title = 'run'"> [l](javascript:document.title='run') \u202e {WIDE} `{WIDE}`

| {WIDE} | {WIDE} |
|---|---|
| {WIDE} | <link rel="stylesheet" href="http://127.0.0.1:9/e.css"> |

```diff
+{WIDE}
```

# {WIDE}

- > {WIDE}
"""
CONTRASTS = """(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor, alpha = channels(color)[3] ?? 1;
      if (alpha === 1) return color;
      if (alpha !== 0) throw new Error(color);
    }
    throw new Error('no ground');
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let text; (text = texts.nextNode());) {
    if (!text.data.trim()) continue;
    const [high, low] = [getComputedStyle(text.parentElement).color, ground(text.parentElement)]
      .map(light).sort((a, b) => b - a);
    found.push([(high + 0.05) / (low + 0.05), text.data]);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with a_page() as page:
        yield page


def show(page: Page, debate: Debate, folder: Path) -> None:
    file = folder / "debate.html"
    file.write_text(html(debate, "today"), encoding="utf-8")
    page.open(file)


@pytest.mark.parametrize("width", [PHONE, TABLET, DESKTOP])
def test_nothing_hostile_is_fetched_or_run_or_wider_than_the_window(
    page: Page, tmp_path: Path, width: int
) -> None:
    page.size(width)
    debate = replace(poisoned(HOSTILE), id=HOSTILE)
    show(page, debate, tmp_path)
    [request] = page.of("Network.requestWillBeSent")
    assert request["request"]["url"].startswith("file:")
    assert page.evaluate("document.title") != "run"
    assert page.evaluate("document.scripts.length + document.images.length + frames.length") == 0
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert not page.of("Log.entryAdded")  # its policy had nothing to refuse: it was all escaped before


@pytest.mark.parametrize("dark", [False, True])
def test_each_text_is_legible_in_light_and_dark(page: Page, tmp_path: Path, dark: bool) -> None:  # noqa: FBT001
    page.media(dark=dark)
    show(page, DEBATE, tmp_path)
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true })")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert not [found for found in contrasts if found[0] < LEGIBLE]
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(18, 18, 23)") == dark


def test_what_can_be_scrolled_or_opened_is_reached_by_the_keyboard_and_seen_there(
    page: Page, tmp_path: Path
) -> None:
    page.size(PHONE)
    show(page, DEBATE, tmp_path)
    reached = []
    while (at := page.tab()) is not None:
        reached.append(at)
        assert len(reached) < 50
    tags = [tag for tag, _ in reached]
    assert tags.count("PRE") == 2
    assert tags.count("SUMMARY") == 2
    assert tags.count("A") == len(DEBATE.rounds)
    assert {outline for _, outline in reached} == {"3px"}


def test_what_is_folded_on_the_screen_is_printed(page: Page, tmp_path: Path) -> None:
    page.size(TABLET)
    show(page, DEBATE, tmp_path)
    line = "document.querySelector('details:not([open]) li').checkVisibility()"
    folded = page.evaluate(line)
    page.media(print_=True)
    assert (folded, page.evaluate(line)) == (False, True)
    page.media()
