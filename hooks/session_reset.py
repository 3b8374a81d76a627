#!/usr/bin/env python3
"""Claude Code's `SessionStart` hook: a `/clear` there ends Codex's conversation too.

It reads the event that Claude Code writes on stdin. On source `clear` the new session id goes into the
project's reset nonce, and into its window's, which the server looks at before each call; any other source
changes nothing. It prints
nothing (what a hook prints becomes Claude's context), and never stands in the way of Claude's start: whatever
is wrong is one line on stderr and exit code 0.

It needs no installation, only `codex_fusion/nonce.py` in the folder above (else an installed one), and
imports as little as it can: each start of Claude Code waits for it. It runs under any Python from 3.8 on.
"""
# pathlib takes longer to import than all of this to run.
# ruff: noqa: PTH120

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False  # `typing` is not free; type checkers know this name by itself
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_INPUT = 1 << 20
"""An event has some hundred bytes."""
PATIENCE_S = 5.0
"""Claude Code writes the event at once, then closes the pipe. This is for whoever does neither."""


class _Scan:
    """How `json` sets up its scanner, except that it asks no Python code."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def main() -> None:
    """Do what the event on stdin asks for; whatever goes wrong is one line on stderr."""
    try:
        handle(read_input(0, PATIENCE_S), os.environ)
    except Exception as error:  # noqa: BLE001 - Claude Code must start, whatever it is
        complain(f"codex-fusion: the SessionStart hook changed nothing: {str(error) or type(error).__name__}")


def handle(data: bytes, environ: Mapping[str, str]) -> None:
    """Write the nonce if the event is a `/clear`; an exception says why it can't."""
    event = parse(data)
    if not isinstance(event, dict):
        raise TypeError("the event on stdin is not a JSON object")
    if text(event, "source") != "clear":
        return
    session_id = text(event, "session_id")
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from codex_fusion import nonce  # only a /clear pays for it

    project = nonce.project_dir(environ, "") or text(event, "cwd")
    path = nonce.path(project, environ)
    window = environ.get("CLAUDE_PID", "")
    if not (window.isascii() and window.isdecimal()):
        nonce.write(path, session_id)
        return
    # The window's own file first: who sees the project's change can then tell whose it was.
    nonce.write(nonce.window_path(path, int(window)), session_id)
    nonce.write(path, f"{session_id} {window}")


def read_input(descriptor: int, patience_s: float) -> bytes:
    """Return what comes until the end of file, or until the patience is over."""
    data = bytearray()
    deadline = time.monotonic() + patience_s
    while _is_readable(descriptor, deadline - time.monotonic()):
        chunk = os.read(descriptor, 1 << 16)
        data += chunk
        if len(data) > MAX_INPUT:
            raise ValueError(f"the event on stdin has more than {MAX_INPUT} bytes")
        if not chunk:
            break
    return bytes(data)


def parse(data: bytes) -> object:
    """`json.loads` without `json`, which takes longer to import than this hook may take.

    Its scanner in C does the work alone where that is possible. Whatever the scanner does not take, or is not
    there for, is left to `json` itself, which has the last word and the better error message.
    """
    document = data.decode().strip(" \t\n\r")
    if not document:
        raise ValueError("there is no event on stdin")
    try:
        from _json import make_scanner

        value: object
        value, end = make_scanner(_Scan)(document, 0)  # type: ignore[arg-type] # the stub wants a scanner there
        if end == len(document):
            return value
    except Exception:  # noqa: BLE001, S110 - json tells what is wrong
        pass
    import json

    return json.loads(document)


def text(event: dict[str, object], field: str) -> str:
    """Return the event's field, which must be some text."""
    value = event.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"the event's `{field}` is missing, or is no text")
    return value


def complain(message: str) -> None:
    """One line on stderr, if there is one."""
    line = " ".join(message.split())[:500]
    try:  # noqa: SIM105 - contextlib is not free
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))
    except OSError:
        pass


def _is_readable(descriptor: int, wait_s: float) -> bool:
    if os.name == "nt":
        return True  # select knows only sockets there
    return bool(select.select([descriptor], [], [], max(0.0, wait_s))[0])


if __name__ == "__main__":
    main()
