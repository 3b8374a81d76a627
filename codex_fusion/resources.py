"""The MCP resources in words: their addresses, the list of debates, a debate's pages. Pure; knows no MCP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_fusion import excerpt
from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

MIME = "text/markdown"
DEBATES = "fusion://debates"
STATUS = "fusion://status"
RECENT = 10
"""Debates that are listed as resources of their own, for clients that only list."""
PAGE = 40_000
"""Characters of a page, as JSON. Claude Code 2.1 shows the model 50,000 of what it reads of a resource."""
_ADDRESS = re.compile(rf"{DEBATES}/(?P<id>[\w-]{{1,80}})(?:/(?P<page>[1-9][0-9]{{0,5}}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """What a resource's address names: a debate, or a page of it."""

    id: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A debate in the list. `when` is its beginning in the reader's words."""

    id: str
    when: str
    title: str
    """Never empty."""
    rounds: int
    ended: str
    unwritten: bool = False
    """Only this server holds it, in memory."""

    @property
    def about(self) -> str:
        """When it began, its rounds, how it ended, in one line."""
        count = f"{self.rounds} round{'' if self.rounds == 1 else 's'}"
        memory = ", not on the disk" if self.unwritten else ""
        return f"{self.when}, {count}, {self.ended}{memory}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource as it is listed."""

    uri: str
    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Template:
    """Addresses of a kind."""

    uri_template: str
    name: str
    title: str
    description: str


TEMPLATES = (
    Template(f"{DEBATES}/{{id}}", "debate", "A debate with Codex", "All of one debate, as Markdown."),
    Template(
        f"{DEBATES}/{{id}}/{{page}}",
        "debate-page",
        "A page of a debate",
        f"For long ones: {PAGE:,} characters of it. Pages count from 1.",
    ),
)


def uri(debate_id: str) -> str:
    """The address of a debate."""
    return f"{DEBATES}/{debate_id}"


def parse(address: str) -> Address:
    """What an address of a debate, or of a page of one, names.

    :raises CallError: it is none.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise unknown(address)
    return Address(found["id"], int(found["page"]) if found["page"] else None)


def unknown(address: str) -> CallError:
    """There is nothing of that address."""
    shown = excerpt.beginning(address, 100)
    return CallError(
        f"There is no resource {shown!r}.",
        f"There are: {DEBATES} (the list), {DEBATES}/{{id}}, {DEBATES}/{{id}}/{{page}}, {STATUS}.",
    )


def listed(entries: Sequence[Entry]) -> list[Listed]:
    """What a client is told there is: the list, the status, and the latest debates."""
    fixed = [
        Listed(DEBATES, "debates", "Debates with Codex", "Those of this workspace, the newest first."),
        Listed(STATUS, "status", "Codex's status", "What is there, what it does, what it may do."),
    ]
    return fixed + [Listed(uri(e.id), e.id, e.title, f"{e.title} ({e.about})") for e in entries[:RECENT]]


def debates(workspace: str, entries: Sequence[Entry], *, kept: bool) -> str:
    """The list of debates. `kept`: whether the configuration lets them be written."""
    parts = [f"# Debates with Codex in {workspace}"]
    if not kept:
        parts.append("`CODEX_FUSION_HISTORY` is off: nothing is written to disk.")
    if not entries:
        parts.append("There is none.")
    parts += ["\n".join(f"- `{uri(e.id)}` {e.about}: {e.title}" for e in entries)]
    parts.append("Those of other workspaces are not shown here; `codex-fusion log` in a terminal lists all.")
    return "\n\n".join(filter(None, parts)) + "\n"


def debate(markdown: str, address: Address) -> str:
    """A debate, or the page of it that is asked for.

    :raises CallError: it has no such page.
    """
    parts = excerpt.pages(markdown, PAGE)
    name, count = uri(address.id), len(parts)
    if address.page is None:
        if count == 1:
            return markdown
        return f"(In pages, if only the beginning can be seen: `{name}/1` to `{name}/{count}`.)\n\n{markdown}"
    if address.page > count:
        raise CallError(f"`{name}` has no page {address.page}.", f"It has {count}: `{name}/1` to the last.")
    more = f"; it goes on in `{name}/{address.page + 1}`" if address.page < count else ""
    return f"{parts[address.page - 1]}\n\n(Page {address.page} of {count}{more}.)\n"


def page_at(markdown: str, position: int) -> tuple[int, int]:
    """The number of the page that holds the character at `position`, and how many pages there are."""
    parts = excerpt.pages(markdown, PAGE)
    ends = 0
    for number, part in enumerate(parts, 1):
        ends += len(part)
        if position < ends:
            return number, len(parts)
    return len(parts), len(parts)
