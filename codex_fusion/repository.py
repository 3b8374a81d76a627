"""Which folders git needs for a workspace, outside of it. Reads files; never runs git, which runs hooks.

A workspace may come from a stranger, and its `.git` may be a file or a link that names any folder. So a
folder outside counts only if it names the workspace in turn: git writes that there, and a stranger can't.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(?P<path>.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that a workspace belongs to."""

    root: Path | None = None
    """The folder that holds `.git`; None: there is no repository."""
    folders: tuple[Path, ...] = ()
    """What git reads outside the workspace."""
    unverified: Path | None = None
    """Named by the workspace, and not naming it in turn."""
    foreign: bool = False
    """Somebody else owns it: git refuses to read it unless the user's own configuration trusts it."""


def find(workspace: Path) -> Repository:
    """Find the repository of `workspace`, which is free of symlinks."""
    for root in (workspace, *workspace.parents):
        dot_git = root / ".git"
        if os.path.lexists(dot_git):
            break
    else:
        return Repository()
    named = _named_by(dot_git)
    if named is None:
        return Repository(root, foreign=_foreign(root))
    folder = named if named == dot_git else _verified(named, dot_git)
    if folder is None:
        return Repository(
            root, unverified=None if named.is_relative_to(workspace) else named, foreign=_foreign(root)
        )
    # Of a worktree's or submodule's subfolder, the file is needed too that names the folder.
    outside = (path for path in dict.fromkeys((dot_git, folder)) if not path.is_relative_to(workspace))
    return Repository(root, tuple(outside), foreign=_foreign(root))


def _named_by(dot_git: Path) -> Path | None:
    """The folder that `.git` is, or names; None if it is nothing that git would take."""
    try:
        if dot_git.is_dir():
            return dot_git.resolve()
        before, _, path = _text(dot_git).partition("gitdir:")
        return None if before.strip() or not path.strip() else (dot_git.parent / path.strip()).resolve()
    except OSError:
        return None


def _verified(named: Path, dot_git: Path) -> Path | None:
    """Return what git reads for a `.git` that names `named`, if that is git's and names `dot_git` too."""
    common = named / (_line(named / "commondir") or ".")
    common = common.resolve()
    if not all((common / part).exists() for part in ("HEAD", "objects", "refs")):
        return None
    if named.parent == common / "worktrees":  # a worktree
        back = _line(named / "gitdir")
        return common if back and (named / back).resolve() == dot_git.resolve() else None
    if named == common:  # a submodule
        written = _WORKTREE.search(_text(named / "config"))
        back = written["path"].strip('"') if written else ""
        return named if back and (named / back).resolve() == dot_git.parent.resolve() else None
    return None


def _foreign(root: Path) -> bool:
    """Whether git would say "dubious ownership"."""
    if not hasattr(os, "geteuid"):
        return False
    owners = set()
    for path in (root, root / ".git"):
        try:
            owners.add(path.lstat().st_uid)
        except OSError:
            return False
    return owners != {os.geteuid()}


def _line(file: Path) -> str:
    return _text(file).strip()


def _text(file: Path) -> str:
    try:
        # Not a pipe, which would be waited for.
        return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else ""
    except OSError:
        return ""
