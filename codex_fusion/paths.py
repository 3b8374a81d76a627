"""Where the paths of a permission request really lead. Reads the file system, changes nothing, never raises.

Each path is walked from the root, name by name, as the kernel would: symlinks are followed wherever they
stand (dangling ones too: a write through one creates what it points at), `..` leaves the folder that was
reached. What does not exist yet is placed under the deepest folder that does. Where the walk can't go on, the
path is *unknown*, and the policy asks. `os.path.realpath` is not enough: it takes a folder that it may not
read, or a loop, for plain names, and lets `..` undo them.

The answer holds for the moment it is given. In strict confinement nothing inside can be changed between the
look and the deed, since Codex can't write without having been allowed to.

POSIX only: on Windows every path is unknown, so everything is asked.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from codex_fusion.policy import Target, Targets, Where
from codex_fusion.wording import files

if TYPE_CHECKING:
    from pathlib import Path

    from codex_fusion.events import PermissionRequest

__all__ = ["Disk", "Target", "Targets", "Where", "resolve"]

_LINKS = 40  # symlinks on one path, as many as Linux follows
_PATH_BYTES = 4096
_NAME_BYTES = 255
_FILES = 1000  # nobody reads a longer list, and each path costs a walk

# What an agent's next session is told to do, at any depth. Who decides the permits is among its readers.
_INSTRUCTIONS = frozenset({"agents.md", "agents.override.md", "claude.md", "claude.local.md"})
_SHORT_NAME = re.compile(r"~[0-9]")  # NTFS: `GIT~1` is `.git`
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class Disk(Protocol):
    """The part of `os` that a walk reads through."""

    def lstat(self, path: str, /) -> os.stat_result:
        """Look at `path` itself, even if it is a symlink."""
        ...

    def readlink(self, path: str, /) -> str:
        """Tell where the symlink `path` points."""
        ...

    def listdir(self, path: str, /) -> list[str]:
        """Tell the names in the folder `path`."""
        ...


class _UnknownError(Exception):
    """It can't be told where a path leads; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk ended: the names from the root, and what stands at it and at each (None: nothing yet)."""

    parts: tuple[str, ...]
    stats: tuple[os.stat_result | None, ...]
    links: tuple[tuple[str, ...], ...] = ()
    """The symlinks that were followed, each by its own names from the root."""

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)

    @property
    def folded(self) -> tuple[str, ...]:
        return tuple(unicodedata.normalize("NFC", part).casefold() for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Home:
    """The workspace, and the places that a protected name in it is a link to (`.codex` → `conf`)."""

    place: _Place
    folder: os.stat_result
    aliases: dict[tuple[str, ...], str]

    def relative(self, place: _Place) -> tuple[str, ...] | None:
        """The names under the workspace, or None for a place outside.

        Two things must agree: the folder on the disk (`/ws` and `/WS` are two on most systems, one on some),
        and the names but for case and accents (a disk may number its folders carelessly).
        """
        depth = len(self.place.parts)
        at = place.stats[depth] if len(place.stats) > depth else None
        if at is None or not os.path.samestat(at, self.folder):
            return None
        return place.parts[depth:] if place.folded[:depth] == self.place.folded else None


def resolve(request: PermissionRequest, workspace: Path, disk: Disk = os) -> Targets:
    """Where every path that `request` names leads, and its folder. Relative paths start at that folder."""
    tool = request.tool
    listed = files(tool)
    try:
        home = _home(str(workspace), disk)
        base, cwd = _base(tool.cwd, home, disk)
    except _UnknownError as reason:
        why = f"the workspace: {reason}"
        cwd = None if tool.cwd is None else Target(tool.cwd, None, Where.UNKNOWN, why)
        return Targets(tuple(Target(path, None, Where.UNKNOWN, why) for path in listed), cwd)
    looked_up = (_target(path, base, home, disk) for path in listed[:_FILES])
    skipped = (Target(path, None, Where.UNKNOWN, "too many paths to look up") for path in listed[_FILES:])
    return Targets((*looked_up, *skipped), cwd)


def _home(workspace: str, disk: Disk) -> _Home:
    place = _walk(workspace, None, disk)
    here = place.stats[-1]
    if here is None or not stat.S_ISDIR(here.st_mode):
        raise _UnknownError("it is no folder")
    aliases = {}
    for name in filter(_protected, _names(place.path, disk)):
        path = f"{place.path}/{name}"
        try:
            look = disk.lstat(path)
            if stat.S_ISLNK(look.st_mode):
                aliases[_walk(path, None, disk).folded] = name
        except (OSError, _UnknownError):
            continue  # a link that leads nowhere stands for nothing
    return _Home(place, here, aliases)


def _names(folder: str, disk: Disk) -> list[str]:
    try:
        return disk.listdir(folder)
    except OSError as error:
        raise _UnknownError(error.strerror or "it can't be read") from error


def _base(cwd: str | None, home: _Home, disk: Disk) -> tuple[str | None, Target | None]:
    """Where relative paths start (None: it can't be told), and the folder itself as a target."""
    if cwd is None:
        return home.place.path, None
    target = _target(cwd, home.place.path, home, disk)
    if target.where is Where.PROTECTED:  # which is about writes to a path, not about working in a folder
        target = Target(cwd, target.resolved, Where.INSIDE)
    return target.resolved, target


def _target(path: str, base: str | None, home: _Home, disk: Disk) -> Target:
    try:
        place = _walk(path, base, disk)
    except _UnknownError as reason:
        return Target(path, None, Where.UNKNOWN, str(reason))
    below = home.relative(place)
    if below is None:
        return Target(path, place.path, Where.OUTSIDE)
    why = _guarded(place, below, home)
    return Target(path, place.path, Where.PROTECTED if why else Where.INSIDE, why)


def _guarded(place: _Place, below: tuple[str, ...], home: _Home) -> str:
    """Why a write to this place inside the workspace reaches further than one file; empty if it does not.

    Hidden names are configuration by convention, and what they configure acts before anybody runs the
    project: git (`.git`, `.husky`), agents (`.codex`, `.agents`, `.claude`, `.mcp.json`), editors (`.vscode`,
    `.idea`), shells and package managers (`.envrc`, `.npmrc`, and `.ssh`, `.bashrc` where the workspace is a
    home). One rule for all needs no list to keep up to date; what it costs is a permission for `.gitignore`.
    """
    if not below:
        return "the workspace itself"
    depth = len(home.place.parts)
    crossed = (name for link in place.links if link[:depth] == home.place.parts for name in link[depth:])
    for name in (*below, *crossed):
        if _protected(name):
            return f"`{name}` steers git, editors, shells or agents"
    for alias, name in home.aliases.items():
        if place.folded[: len(alias)] == alias:
            return f"`{name}` is a link to it"
    look = place.stats[-1]
    if look is None:
        return ""
    if not stat.S_ISREG(look.st_mode):
        return "a folder, with all that is in it" if stat.S_ISDIR(look.st_mode) else "not a plain file"
    return "the file has other names: hard links" if look.st_nlink > 1 else ""


def _protected(name: str) -> bool:
    """Whether any file system in use could take `name` for a hidden one, or for an agent's instructions."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = visible.partition(":")[0].rstrip(". ").casefold()
    hidden = name.startswith(".") or plain.startswith(".")
    return hidden or plain in _INSTRUCTIONS or _SHORT_NAME.search(plain) is not None


def _walk(path: str, base: str | None, disk: Disk) -> _Place:
    """Follow `path` from the root, or from `base` if it is relative."""
    whole = _absolute(path, base)
    try:
        return _Walk(whole, disk).end()
    except OSError as error:
        raise _UnknownError(error.strerror or "it can't be read") from error
    except ValueError as error:
        raise _UnknownError("no path has such characters") from error


def _absolute(path: str, base: str | None) -> str:
    """`path` with what stands before it; refused where somebody else could take it for another path."""
    if not path:
        raise _UnknownError("an empty path")
    if path.startswith("~"):
        raise _UnknownError("`~` is not expanded here, but may be by whoever acts on it")
    if _URI.match(path):
        raise _UnknownError("an address, not a path")
    if path.startswith("/"):
        whole = path
    elif base is None:
        raise _UnknownError("relative to a folder that is not known")
    else:
        whole = f"{base}/{path}"
    if len(whole.encode(errors="replace")) > _PATH_BYTES:
        raise _UnknownError("too long")
    if any(len(name.encode(errors="replace")) > _NAME_BYTES for name in whole.split("/")):
        raise _UnknownError("a name in it is too long")
    if "\0" in whole or any("\ud800" <= c <= "\udfff" for c in whole):
        raise _UnknownError("no path has such characters")
    return whole


class _Walk:
    """One walk from the root: it stands at `parts`, and has the names `ahead` to go (the next one last)."""

    def __init__(self, path: str, disk: Disk) -> None:
        self.disk = disk
        self.ahead = path.split("/")[::-1]
        self.parts: list[str] = []
        self.stats: list[os.stat_result | None] = [disk.lstat("/")]
        self.links: list[tuple[str, ...]] = []

    def end(self) -> _Place:
        """Walk to the end."""
        while self.ahead:
            name = self.ahead.pop()
            if name not in {"", "."}:
                self._enter(name)
        return _Place(tuple(self.parts), tuple(self.stats), tuple(self.links))

    def _enter(self, name: str) -> None:
        folder = self.stats[-1]
        if folder is not None and not stat.S_ISDIR(folder.st_mode):
            raise _UnknownError("it takes a file for a folder")
        if name == "..":
            self._leave()
            return
        here = "/" + "/".join([*self.parts, name])
        look = None if folder is None else _look(here, self.disk)
        if look is not None and stat.S_ISLNK(look.st_mode):
            self._follow(here, name)
        else:
            self.parts.append(name)
            self.stats.append(look)

    def _leave(self) -> None:
        if self.stats[-1] is None:
            raise _UnknownError("`..` after a folder that does not exist")
        if self.parts:  # above the root is the root
            self.parts.pop()
            self.stats.pop()

    def _follow(self, here: str, name: str) -> None:
        self.links.append((*self.parts, name))
        if len(self.links) > _LINKS:
            raise _UnknownError("too many symlinks, or a loop of them")
        if self.parts[:1] == ["proc"]:
            raise _UnknownError("a link in /proc leads elsewhere for each process")
        goal = self.disk.readlink(here)
        if goal.startswith("/"):
            del self.parts[:], self.stats[1:]
        self.ahead.extend(goal.split("/")[::-1])


def _look(path: str, disk: Disk) -> os.stat_result | None:
    try:
        return disk.lstat(path)
    except FileNotFoundError:
        return None
