"""`codex-fusion hook`: Claude Code's `SessionStart` hook, for whoever has the package and no clone of it.

The hook is a script by itself, which needs nothing installed. A wheel brings it along, beside this module.
"""

from __future__ import annotations

import runpy
from pathlib import Path

NAME = "session_reset.py"


def script() -> Path:
    """Where it is: in the package, else in the clone that the package is run from."""
    package = Path(__file__).resolve().parent
    packed = package / NAME
    return packed if packed.is_file() else package.parent / "hooks" / NAME


def run() -> int:
    """Do what the event on stdin asks for; never an error for Claude Code."""
    runpy.run_path(str(script()), run_name="__main__")
    return 0
