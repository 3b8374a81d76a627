"""`codex-fusion log`: the debates that were kept, listed, shown, or written as a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import debates
from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from codex_fusion.archive import Archive
    from codex_fusion.debates import Debate
    from codex_fusion.terminal import Screen

HEADS = ("id", "began", "length", "ended", "about")


def listing(archive: Archive) -> list[tuple[str, ...]]:
    """A row for each debate, the newest first: as `HEADS` says."""
    return [_row(debate) for debate_id in archive.ids() if (debate := archive.read(debate_id)) is not None]


def show(archive: Archive, debate_id: str) -> str:
    """One debate as Markdown. `debate_id` may be the beginning of an id.

    :raises CallError: there is no such debate, or more than one.
    """
    debate = find(archive, debate_id)
    return debates.to_markdown(debate, when(debate))


def write_page(archive: Archive, debate_id: str, folder: Path) -> Path:
    """Write one debate as an HTML page into `folder`; returns the file.

    :raises CallError: there is no such debate, or the file can't be written.
    """
    from codex_fusion import page

    debate = find(archive, debate_id)
    file = folder / f"codex-fusion-{debate.id}.html"
    try:
        file.write_text(page.html(debate, when(debate)), encoding="utf-8", errors="replace")
    except OSError as error:
        raise CallError(f"The page can't be written: {error}.", "Run it in a folder of yours.") from error
    return file


def find(archive: Archive, debate_id: str) -> Debate:
    """The one debate whose id begins so.

    :raises CallError: there is none, or more than one.
    """
    found = [known for known in archive.ids() if known.startswith(debate_id)]
    if len(found) > 1 and debate_id not in found:
        raise CallError(
            f"{debate_id!r} is the beginning of {len(found)} debates.", f"They are: {', '.join(found)}."
        )
    debate = archive.read(debate_id if debate_id in found else found[0]) if found else None
    if debate is None:
        raise CallError(f"There is no debate {debate_id!r}.", "`codex-fusion log` lists those that are kept.")
    return debate


def when(debate: Debate) -> str:
    """Its beginning, in the local time of the reader."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(debate.began))


def _row(debate: Debate) -> tuple[str, ...]:
    count = len(debate.rounds)
    return (
        debate.id,
        when(debate),
        f"{count:>2} round{' ' if count == 1 else 's'}",
        f"{debate.ended:<9}",
        debate.title,
    )


def run(archive: Archive, shown: Screen, debate_id: str | None = None, *, as_page: bool = False) -> int:
    """`log`, `log ID`, `log ID --html`; returns the exit code."""
    if debate_id is None:
        rows = listing(archive)
        if rows:
            shown.table(HEADS, rows)
        else:
            shown.say("No debate is kept yet.")
    elif as_page:
        shown.say(str(write_page(archive, debate_id, Path.cwd())))
    else:
        shown.markdown(show(archive, debate_id))
    return 0
