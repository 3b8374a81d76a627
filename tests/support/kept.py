"""Debates that are kept on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_fusion.archive import Archive
    from codex_fusion.debates import Debate, Round


def keep(archive: Archive, debate: Debate, played: Round) -> Debate:
    """Keep the debate with one more round; returns it."""
    whole = debate.with_round(played)
    archive.keep(whole)
    return whole
