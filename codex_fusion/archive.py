"""Keeps debates in the user's private state folder: one JSON file each, bounded in number and age.

Written whole and atomically after each turn, so that a crash loses no finished round. Several servers may
share the folder: each writes only debates of its own, and what another one removed is not missed.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import debates, nonce
from codex_fusion.scrub import scrub_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_fusion.debates import Debate

KEPT = 200
"""Debates; the oldest go first."""
KEPT_S = 30 * 24 * 3600.0
"""Seconds after which a debate goes, however few there are."""
KEPT_BYTES = 100_000_000
"""Of all files together; the oldest go first, the latest one stays."""
FILE_LIMIT = 6 * debates.DEBATE_KEPT + 10_000_000
"""Bytes of a file that is still read: as many as a debate can come to (a character is six bytes at most)."""
_ID = "%Y%m%d-%H%M%S"
_ENDING = ".json"


class Archive:
    """The debates of this user. Nothing here raises `OSError` but `keep`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._folder = Path(nonce.state_folder(environ)) / "debates"

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder

    def make_folder(self) -> None:
        """Have the folder, closed to others.

        :raises OSError: it can't be made, or is another user's.
        """
        nonce.make_private(str(self._folder.parent))
        nonce.make_private(str(self._folder))

    def keep(self, debate: Debate) -> None:
        """Write the debate, in the place of what was written of it before.

        :raises OSError: it can't be written.
        """
        self.make_folder()
        data = _data(debate)
        scratch = self._folder / f".{debate.id}-{os.getpid()}"
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            scratch.replace(self._folder / f"{debate.id}.json")
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
        self._prune()

    def ids(self) -> list[str]:
        """Every debate that is kept, the newest first."""
        return [entry.name.removesuffix(_ENDING) for entry in self._files()]

    def read(self, debate_id: str) -> Debate | None:
        """One debate; None where there is none of that name, or it can't be read."""
        if debate_id not in self.ids():
            return None  # and so never a path of the caller's making
        file = self._folder / f"{debate_id}.json"
        try:
            if file.stat().st_size > FILE_LIMIT:
                return None
            return debates.from_json(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def stamp(self, debate_id: str) -> tuple[int, int] | None:
        """Changes when the debate's file does; None: there is none."""
        try:
            told = (self._folder / f"{debate_id}.json").stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size

    def _prune(self) -> None:
        oldest = time.time() - KEPT_S
        size = 0
        for number, file in enumerate(self._files()):
            try:
                told = file.stat()
                size += told.st_size
                if number >= KEPT or told.st_mtime < oldest or (number and size > KEPT_BYTES):
                    Path(file).unlink()
            except OSError:
                continue  # another server was faster

    def _files(self) -> list[os.DirEntry[str]]:
        """Of every debate, the newest first."""
        try:
            with os.scandir(self._folder) as entries:
                files = [entry for entry in entries if entry.name.endswith(_ENDING) and entry.name[0] != "."]
        except OSError:
            return []
        return sorted(files, key=lambda entry: entry.name, reverse=True)


def new_id() -> str:
    """A name for a debate that begins now; in order of time."""
    return f"{time.strftime(_ID, time.gmtime())}-{secrets.token_hex(3)}"


def as_kept(debate: Debate) -> Debate:
    """The debate as it would come back from its file: keys and tokens taken out."""
    kept = debates.from_json(json.loads(_data(debate)))
    if kept is None:  # pragma: no cover - it keeps its form
        raise AssertionError
    return kept


def _data(debate: Debate) -> bytes:
    text = json.dumps(scrub_value(debates.to_json(debate)), ensure_ascii=False)
    return text.encode("utf-8", "replace")  # half a character is none
