from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.desk import Desk, at_work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A session at work on a fake agent."""
    async with at_work(tmp_path / "turns.jsonl") as desk:
        yield desk
