"""The debates that a client may read: of one workspace, from the disk, or from memory if they are not there.

Reading files and scrubbing is done in a thread, beside the event loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from codex_fusion import debates, resources
from codex_fusion.archive import Archive, as_kept
from codex_fusion.log import when
from codex_fusion.long_answers import Rest
from codex_fusion.resources import Entry
from codex_fusion.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from codex_fusion.config import Config
    from codex_fusion.debates import Debate
    from codex_fusion.resources import Address

HELD = 24_000_000
"""Characters held in memory; the oldest debates go first, the latest one stays."""


class Library:
    """Of one server. `archive` None: nothing is on the disk, and nothing goes there."""

    def __init__(self, archive: Archive | None, workspace: str) -> None:
        self.archive = archive
        self._workspace = workspace
        self._held: dict[str, Debate] = {}
        self._heads: dict[str, tuple[object, Entry | None]] = {}
        """Id → the file's stamp, and its entry; None for one of another workspace."""
        self._latest: tuple[str, object, Debate, str] | None = None
        """What was read last: id, stamp, debate, Markdown."""

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str]) -> Self:
        """The library of a configured server."""
        return cls(Archive(environ) if config.history else None, str(config.workspace))

    def hold(self, debate: Debate) -> None:
        """Have it readable now, and until it is let go."""
        self._held.pop(debate.id, None)
        self._held[debate.id] = debate
        while len(self._held) > 1 and sum(held.size for held in self._held.values()) > HELD:
            del self._held[next(iter(self._held))]

    def first_held(self) -> Debate | None:
        """What was held first of what still is."""
        return next(iter(self._held.values()), None)

    def let_go(self, debate: Debate) -> None:
        """It can be read from the disk; not so what was added to it since."""
        if self._held.get(debate.id) is debate:
            del self._held[debate.id]

    async def entries(self) -> list[Entry]:
        """Every debate of this workspace, the newest first."""
        return await run_sync(self._entries, dict(self._held), abandon_on_cancel=True)

    async def completions(self, template: str, argument: str, begun: str) -> list[str]:
        """What a template's argument can be that begins so, the newest first."""
        if argument != "id" or template not in (known.uri_template for known in resources.TEMPLATES):
            return []
        return [entry.id for entry in await self.entries() if entry.id.startswith(begun)]

    async def listing(self) -> str:
        """The list of them, as Markdown."""
        return resources.debates(self._workspace, await self.entries(), kept=self.archive is not None)

    async def text(self, address: Address) -> str:
        """A debate of this workspace, or a page of it, as Markdown.

        :raises CallError: there is no such debate, or no such page.
        """
        held = self._held.get(address.id)
        return await run_sync(self._text, address, held, abandon_on_cancel=True)

    async def rest(self, debate_id: str, turn: int, head: str) -> Rest | None:
        """Where the text of a turn goes on that begins with `head`; None: it can't be read."""
        held = self._held.get(debate_id)
        return await run_sync(self._rest, debate_id, turn, head, held, abandon_on_cancel=True)

    # In a thread

    def _entries(self, held: Mapping[str, Debate]) -> list[Entry]:
        kept = self.archive.ids() if self.archive is not None else []
        heads = {name: self._head(name, held.get(name)) for name in {*kept, *held}}
        self._heads = heads
        return [entry for name in sorted(heads, reverse=True) if (entry := heads[name][1]) is not None]

    def _head(self, name: str, held: Debate | None) -> tuple[object, Entry | None]:
        stamp = self._stamp(name, held)
        known = self._heads.get(name)
        if known is not None and known[0] == stamp:
            return known
        debate = _with_its_first_words_as_kept(held) if held is not None else self._read(name, None)
        return stamp, _entry(debate, unwritten=held is not None) if debate is not None else None

    def _stamp(self, name: str, held: Debate | None) -> object:
        """Differs when the debate does."""
        return held if held is not None or self.archive is None else self.archive.stamp(name)

    def _read(self, name: str, held: Debate | None) -> Debate | None:
        if held is not None:
            return as_kept(held)
        debate = self.archive.read(name) if self.archive is not None else None
        return debate if debate is not None and debate.workspace == self._workspace else None

    def _text(self, address: Address, held: Debate | None) -> str:
        read = self._markdown(address.id, held)
        if read is None:
            raise resources.unknown(resources.uri(address.id))
        return resources.debate(read[1], address)

    def _markdown(self, name: str, held: Debate | None) -> tuple[Debate, str] | None:
        """A debate of this workspace, read and put into words; a reader of pages comes again and again."""
        stamp = self._stamp(name, held)
        latest = self._latest  # another thread may replace it
        if latest is None or latest[:2] != (name, stamp):
            debate = self._read(name, held)
            if debate is None:
                return None
            self._latest = latest = name, stamp, debate, debates.to_markdown(debate, when(debate))
        return latest[2:]

    def _rest(self, name: str, turn: int, head: str, held: Debate | None) -> Rest | None:
        read = self._markdown(name, held)
        debate, markdown = read if read is not None else (None, "")
        played = next((r for r in debate.rounds if r.turn == turn), None) if debate is not None else None
        if played is None:
            return None
        begins = max(0, markdown.rfind(played.answer))
        page, count = resources.page_at(markdown, begins + len(scrub(head)))
        return Rest(resources.uri(name), page, count)


def _with_its_first_words_as_kept(debate: Debate) -> Debate:
    """Enough to tell its title: to scrub all of a long one would take seconds."""
    first, *others = debate.rounds
    (words,) = as_kept(replace(debate, rounds=(replace(first, answer="", activity=()),))).rounds
    return replace(debate, rounds=(words, *others))


def _entry(debate: Debate, *, unwritten: bool) -> Entry:
    rounds = len(debate.rounds)
    return Entry(debate.id, when(debate), debate.title or "(no words)", rounds, debate.ended, unwritten)
