"""Programs from npm for the tests: installed once, at a pinned version, into the test cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.support.real_agent import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 600.0


def node() -> str:
    """The command that runs them."""
    found = shutil.which("node")
    assert found is not None, "Node.js is needed"
    return found


def installed(package: str, version: str, entry: str) -> Path:
    """The file `entry` of a package; npm runs if this is the first time, without install scripts."""
    cache = cache_folder(os.environ)
    folder = cache / f"{package.rpartition('/')[2]}-{version}"
    file = folder / "node_modules" / package / entry
    if not file.is_file():
        npm = shutil.which("npm")
        assert npm is not None, f"npm is needed to install {package}"
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache, ignore_cleanup_errors=True) as scratch:
            # All or nothing: what is cut short never gets its name.
            stage = f"{scratch}/{folder.name}"
            flags = (
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-update-notifier",
                "--loglevel=error",
            )
            subprocess.run(
                (npm, "install", "--prefix", stage, *flags, f"{package}@{version}"),
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=LIMIT_S,
            )
            with suppress(OSError):  # another run was first
                os.rename(stage, folder)  # noqa: PTH104
    assert file.is_file(), f"{package} {version} has no {entry}"
    return file
