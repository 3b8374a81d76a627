"""The command line. Without a command it serves: that is what an MCP client starts."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import config as configuration
from codex_fusion.errors import ConfigurationError, FusionError, alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_fusion.config import Config

USAGE = """\
usage: codex-fusion [serve]          serve MCP on stdin and stdout (what a client starts)
       codex-fusion demo             see a debate, without any account
       codex-fusion setup            install the tested codex-acp for yourself
       codex-fusion doctor [--json]  check what works here, and prove how Codex is confined
       codex-fusion --version

It is configured by the environment:
"""
INTERRUPTED = 130
"""The exit code of a command that a person, or a closed pipe, ended."""


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
        if isinstance(error, KeyboardInterrupt | BrokenPipeError):
            return INTERRUPTED
        raise


def _run(given: list[str]) -> int:
    command = _COMMANDS.get(tuple(given))
    if command is not None:
        return command()
    sys.stderr.write(f"codex-fusion: unknown command: {' '.join(given)}\n{USAGE}{_variables()}")
    return 2


def _version() -> int:
    sys.stdout.write(f"codex-fusion {version('codex-fusion')}\n")
    return 0


def _help() -> int:
    sys.stdout.write(USAGE + _variables())
    return 0


def _variables() -> str:
    width = max(len(variable.name) for variable in configuration.VARIABLES)
    return "".join(f"  {v.name:<{width}}  {v.meaning} ({v.default})\n" for v in configuration.VARIABLES)


def _read_config() -> Config:
    return configuration.read(os.environ, Path.cwd())


def _serve() -> int:
    # Until the server looks after signals itself there is nothing to clean up, and nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imports leave much behind and no garbage: looking for it would take a fifth of the start.
    gc.disable()
    import anyio

    from codex_fusion.server import serve

    gc.freeze()
    gc.enable()
    if sys.stdin.isatty():
        sys.stderr.write(
            "codex-fusion serves MCP on stdin: an MCP client starts it. See `codex-fusion --help`.\n"
        )
    try:
        config, problem = _read_config(), None
    except ConfigurationError as error:
        config, problem = None, error
    anyio.run(serve, config, problem)
    return 0


def _demo() -> int:
    import anyio

    from codex_fusion.demo import demo

    return anyio.run(demo)


def _doctor(*, as_json: bool) -> int:
    import anyio

    from codex_fusion.doctor import doctor

    return anyio.run(partial(doctor, _read_config(), sys.stdout, as_json=as_json))


def _setup() -> int:
    from codex_fusion import install

    folder = install.data_folder(os.environ)
    sys.stdout.write(f"Installing {' and '.join(install.PINNED)} into {folder} …\n")
    sys.stdout.flush()
    sys.stdout.write(f"Installed: {install.install(folder)}\nNow run `codex-fusion doctor`.\n")
    return 0


_COMMANDS: dict[tuple[str, ...], Callable[[], int]] = {
    (): _serve,
    ("serve",): _serve,
    ("demo",): _demo,
    ("setup",): _setup,
    ("doctor",): partial(_doctor, as_json=False),
    ("doctor", "--json"): partial(_doctor, as_json=True),
    ("--version",): _version,
    ("--help",): _help,
    ("-h",): _help,
    ("help",): _help,
}


if __name__ == "__main__":
    sys.exit(main())
