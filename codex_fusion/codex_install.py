"""Where the codex is that an agent's command would run: its command, and the folders of its installation."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGE = "@openai/codex"


@dataclass(frozen=True, slots=True)
class Codex:
    """An installation of codex; `command` None: it is not known before npx has fetched it into `search`."""

    command: tuple[str, ...] | None = None
    folders: tuple[Path, ...] = ()
    search: Path | None = None


def find(argv: tuple[str, ...], environ: Mapping[str, str]) -> Codex:
    """Find the codex that belongs to the agent's command, or that the user names in CODEX_PATH."""
    if own := environ.get("CODEX_PATH"):
        return _named(own, environ)
    for word in argv:
        file = shutil.which(word, path=environ.get("PATH", os.defpath)) or word
        if os.path.isabs(file) and Path(file).is_file() and (package := _beside(Path(file).resolve())):  # noqa: PTH117
            return _packaged(package)
    return _by_npx(argv, environ)


def version(folders: tuple[Path, ...]) -> str:
    """The version of the installation in these folders; "" where none of them names it."""
    for folder, name in product(folders, ("package.json", "codex-package.json")):
        with suppress(OSError, ValueError):
            described = json.loads((folder / name).read_text(encoding="utf-8"))
            if isinstance(described, dict) and isinstance(told := described.get("version"), str):
                return told
    return ""


def _beside(file: Path) -> Path | None:
    """The package of codex that node would find from `file`."""
    for folder in file.parents:
        package = folder / "node_modules" / _PACKAGE
        if package.is_dir():
            return package.resolve()
    return None


def _packaged(package: Path) -> Codex:
    """The codex of an npm package: its native binary if it is there, which spares a node process."""
    folders = dict.fromkeys((package, *_platform_packages(package)))
    for folder in folders:
        for binary in sorted(folder.glob("vendor/*/bin/codex")):
            if os.access(binary, os.X_OK):
                return Codex((str(binary),), tuple(folders))
    return Codex((str(package / "bin" / "codex.js"),), tuple(folders))


def _platform_packages(package: Path) -> Iterator[Path]:
    for folder in package.parents:
        found = sorted(folder.glob(f"node_modules/{_PACKAGE}-*"))
        if found:
            yield from (path.resolve() for path in found)
            return


def _named(own: str, environ: Mapping[str, str]) -> Codex:
    """The user's CODEX_PATH: run as it is, readable with what it is installed with."""
    found = shutil.which(own, path=environ.get("PATH", os.defpath)) or own
    real = Path(found).resolve()
    for folder in real.parents:
        if (folder / "package.json").is_file() and folder.match(f"node_modules/{_PACKAGE}"):
            return Codex((found,), _packaged(folder).folders)
        if (folder / "codex-package.json").is_file():
            return Codex((found,), (folder,))
    return Codex((found,), (real,))


def _by_npx(argv: tuple[str, ...], environ: Mapping[str, str]) -> Codex:
    """What npx fetched, or will: a folder in npm's cache, which holds published packages only."""
    if not argv or Path(argv[0]).stem != "npx":
        return Codex()
    cache = environ.get("npm_config_cache") or environ.get("NPM_CONFIG_CACHE")
    home = environ.get("HOME", "")
    fetched = (Path(cache) if cache else Path(home) / ".npm") / "_npx"
    return Codex(None, (fetched,), fetched)
