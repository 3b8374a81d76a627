"""Disks that a test can't mount, and a look at one path of a request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion.events import PermissionRequest, ToolCall
from codex_fusion.paths import Disk, resolve

if TYPE_CHECKING:
    from codex_fusion.policy import Target, Where


def asked(*paths: str, cwd: str | None = None) -> PermissionRequest:
    return PermissionRequest("s", ToolCall("1", paths=paths, cwd=cwd), ())


def look(path: str, ws: Path, cwd: str | None = None, disk: Disk = os) -> Target:
    return resolve(asked(path, cwd=cwd), ws, disk).files[0]


def where(path: str, ws: Path, cwd: str | None = None, disk: Disk = os) -> Where:
    return look(path, ws, cwd, disk).where


class RealDisk:
    """The disk as it is; a kind of its own says what it takes a path for."""

    def real(self, path: str) -> str:
        return path

    def lstat(self, path: str, /) -> os.stat_result:
        return os.lstat(self.real(path))

    def readlink(self, path: str, /) -> str:
        return str(Path(self.real(path)).readlink())

    def listdir(self, path: str, /) -> list[str]:
        return [entry.name for entry in Path(self.real(path)).iterdir()]


class DiskThatFails(RealDisk):
    """One path of it can't be looked at."""

    def __init__(self, path: Path, error: Exception) -> None:
        self.path = str(path)
        self.error = error

    def real(self, path: str) -> str:
        if path == self.path:
            raise self.error
        return path


class DiskThatListsNothing(RealDisk):
    """Its folders can be looked at, but not into."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def listdir(self, _path: str, /) -> list[str]:
        raise self.error


class DiskWithoutCase(RealDisk):
    """To it `A.py` and `a.PY` are one file, as on most Macs."""

    def real(self, path: str) -> str:
        real = Path("/")
        for name in Path(path).parts[1:]:
            entries = real.iterdir() if real.is_dir() else ()
            real = next((e for e in entries if e.name.casefold() == name.casefold()), real / name)
        return str(real)


class DiskThatNumbersCarelessly(RealDisk):
    """Two folders of it have one number."""

    def __init__(self, one: Path, other: Path) -> None:
        self.one, self.other = str(one), str(other)

    def real(self, path: str) -> str:
        return self.one if path == self.other else path
