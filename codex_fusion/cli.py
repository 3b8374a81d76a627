"""The command line. Without a command it serves: that is what an MCP client starts."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

from codex_fusion import config as configuration
from codex_fusion.errors import ConfigurationError

USAGE = """\
usage: codex-fusion [serve]      serve MCP on stdin and stdout (what a client starts)
       codex-fusion demo         see a debate without any account
       codex-fusion --version
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    match given:
        case [] | ["serve"]:
            return _serve()
        case ["demo"]:
            return _demo()
        case ["--version"]:
            sys.stdout.write(f"codex-fusion {version('codex-fusion')}\n")
            return 0
        case ["-h" | "--help"]:
            sys.stdout.write(USAGE)
            return 0
        case _:
            sys.stderr.write(USAGE)
            return 2


def _serve() -> int:
    import anyio  # noqa: PLC0415 only this command needs it

    from codex_fusion.server import serve  # noqa: PLC0415

    try:
        config = configuration.read(os.environ, Path.cwd())
        problem = None
    except ConfigurationError as error:
        config, problem = None, error
    anyio.run(serve, config, problem)
    return 0


def _demo() -> int:
    import anyio

    from codex_fusion.demo import demo

    return anyio.run(demo)


if __name__ == "__main__":
    sys.exit(main())
