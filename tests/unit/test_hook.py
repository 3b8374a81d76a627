"""`codex-fusion hook`, from a clone and from a wheel's files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from codex_fusion import hook, nonce

ROOT = Path(__file__).parents[2]
BOUND_S = 60


def clear(package: Path, project: Path) -> subprocess.CompletedProcess[str]:
    """A /clear, as Claude Code tells the hook of it; the project is its own home."""
    event = {"source": "clear", "session_id": "new", "cwd": str(project)}
    return subprocess.run(
        [sys.executable, "-m", "codex_fusion.cli", "hook"],
        input=json.dumps(event),
        env={"PATH": os.defpath, "HOME": str(project), "PYTHONPATH": str(package)},
        cwd=project,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=True,
    )


@pytest.fixture
def as_in_a_wheel(tmp_path: Path) -> Path:
    """The folder of a package that has no clone around it."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    folder = tmp_path / "site-packages"
    for name in wheel["packages"]:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in wheel["force-include"].items():
        shutil.copy(ROOT / source, folder / target)
    return folder


def test_a_clear_reaches_the_server_from_a_clone(tmp_path: Path) -> None:
    done = clear(ROOT, tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert nonce.read(nonce.path(str(tmp_path), {"HOME": str(tmp_path)})) is not None


def test_a_clear_reaches_the_server_from_a_wheel(as_in_a_wheel: Path, tmp_path: Path) -> None:
    done = clear(as_in_a_wheel, tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert nonce.read(nonce.path(str(tmp_path), {"HOME": str(tmp_path)})) is not None


def test_the_clones_hook_is_the_one_that_the_plugin_has() -> None:
    assert hook.script() == ROOT / "hooks" / "session_reset.py"
