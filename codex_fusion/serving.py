"""Serves MCP in this process: what a quick start needs, the configuration, then `server` until it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

from codex_fusion import config as configuration
from codex_fusion import stderr
from codex_fusion.errors import ConfigurationError


def serve() -> int:
    """Serve MCP on stdin and stdout."""
    # Until the server looks after signals itself there is nothing to clean up, and nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform != "win32":
        stderr.take()
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
