"""The real codex-acp for the tests: installed once by npm, at the pinned version, and kept between runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion.install import install, user_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Outside the repository, and the temp dir, which is cleared and which Codex refuses to work from."""
    if named := environ.get("CODEX_FUSION_TEST_CACHE"):
        return Path(named).absolute()
    return user_folder(environ, "XDG_CACHE_HOME", ".cache")


def real_agent_command() -> Path:
    """The command; npm runs if this is the first time. It was run, and told the pinned version."""
    return install(cache_folder(os.environ))
