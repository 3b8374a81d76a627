from __future__ import annotations

import os
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support.no_skips import NoSkips
from tests.support.real_agent import real_agent_command

if TYPE_CHECKING:
    from pathlib import Path

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure(config: pytest.Config) -> None:
    if IN_CI:
        config.pluginmanager.register(NoSkips(), "no-skips")
    # How fast an example runs is the machine's affair. In CI, Hypothesis loads such a profile by itself.
    hypothesis.settings.register_profile("codex-fusion", deadline=None)
    if not IN_CI:
        hypothesis.settings.load_profile("codex-fusion")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The ACP client library runs on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session")
def real_agent() -> Path:
    """The command of the real codex-acp, at the pinned version."""
    return real_agent_command()
