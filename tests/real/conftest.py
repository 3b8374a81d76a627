from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def codex_acp(real_agent: Path) -> Path:
    """The command of the real codex-acp."""
    return real_agent
