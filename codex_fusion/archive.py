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

    from codex_fusion.debates import Debate, Round

KEPT = 200
"""Debates; the oldest go first."""
KEPT_S = 30 * 24 * 3600.0
"""Seconds after which a debate goes, however few there are."""
FILE_LIMIT = 4_000_000
"""Bytes of a file that is still read."""
_ID = "%Y%m%d-%H%M%S"


class Archive:
    """The debates of this user. Nothing here raises `OSError` but `add`."""

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

    def new_id(self) -> str:
        """A name for a debate that begins now; in order of time."""
        return f"{time.strftime(_ID, time.gmtime())}-{secrets.token_hex(3)}"

    def add(self, debate: Debate, played: Round) -> Debate:
        """Keep the debate with one more round; returns it.

        :raises OSError: it can't be written.
        """
        whole = debate.with_round(played)
        self.make_folder()
        data = json.dumps(scrub_value(debates.to_json(whole)), ensure_ascii=False)
        scratch = self._folder / f".{whole.id}-{os.getpid()}"
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                file.write(data)
            scratch.replace(self._folder / f"{whole.id}.json")
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
        self._prune()
        return whole

    def ids(self) -> list[str]:
        """Every debate that is kept, the newest first."""
        try:
            names = sorted((file.name for file in self._folder.glob("[0-9]*.json")), reverse=True)
        except OSError:
            return []
        return [name.removesuffix(".json") for name in names]

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

    def _prune(self) -> None:
        oldest = time.time() - KEPT_S
        for number, name in enumerate(self.ids()):
            file = self._folder / f"{name}.json"
            try:
                if number >= KEPT or file.stat().st_mtime < oldest:
                    file.unlink()
            except OSError:
                continue  # another server was faster
