"""The command line. Without a command it serves: that is what an MCP client starts, and waits for.

So serving is decided here, by hand: argparse, rich and the other commands (`commands`) are not imported.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from pathlib import Path

from codex_fusion import config as configuration
from codex_fusion.errors import ConfigurationError, FusionError, alone

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


def serve() -> int:
    """Serve MCP on stdin and stdout."""
    # Until the server looks after signals itself there is nothing to clean up, and nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imports leave much behind and no garbage: looking for it would take a fifth of the start.
    gc.disable()
    import anyio

    from codex_fusion.server import serve as serve_client

    gc.freeze()
    gc.enable()
    if not (sys.stdin and sys.stdout):  # a parent closed them
        sys.stderr.write("codex-fusion serves MCP on stdin and stdout, and they are closed.\n")
        return 2
    if sys.stdin.isatty():
        sys.stderr.write(
            "codex-fusion serves MCP on stdin: an MCP client starts it. See `codex-fusion --help`.\n"
        )
    try:
        config, problem = configuration.read(os.environ, Path.cwd()), None
    except ConfigurationError as error:
        config, problem = None, error
    anyio.run(serve_client, config, problem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
