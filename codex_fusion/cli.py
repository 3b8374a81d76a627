"""The command line. Without a command it serves: that is what an MCP client starts, and waits for.

So serving is decided here, by hand: argparse, rich and the other commands (`commands`) are not imported.
"""

from __future__ import annotations

import errno
import sys

from codex_fusion.errors import FusionError, alone
from codex_fusion.serving import serve

INTERRUPTED = 130
"""The exit code of a command that a person, or a closed pipe, ended."""
HUNG_UP = 129
"""As a shell tells of SIGHUP; the signal may come after the first write to a terminal that is gone."""
_GONE = {errno.EPIPE: INTERRUPTED, errno.EIO: HUNG_UP}
"""A pipe, and a terminal, that nobody reads any more."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(given)
    except BaseException as raised:
        error = alone(raised)
        if isinstance(error, FusionError):
            sys.stderr.write(f"codex-fusion: {error.explain()}\n")
            return 1
        if isinstance(error, OSError) and error.errno in _GONE:
            from codex_fusion.terminal import silence

            silence()
            return _GONE[error.errno]
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        raise


def _run(given: list[str]) -> int:
    if given in ([], ["serve"]):
        return serve()
    from codex_fusion import commands

    code = commands.run(given)
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
