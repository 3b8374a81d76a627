"""Stands between codex-acp and codex: `CODEX_PATH` leads here, through a script that `surroundings` makes.

It adds the `-c` options of the plan, and takes one thing out of what codex-acp sends: its trust in the
workspace. codex-acp declares that for every session, and its word counts more than any option; a trusted
workspace's `.codex/config.toml` is loaded, and what it names is run, outside the sandbox.

Run as a file, by itself: it imports the standard library only, and not our package. codex takes the place of
this process, so that codex-acp's signals reach it and its end is seen; what filters its input is a child.
"""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path
from typing import NoReturn

VARIABLE = "CODEX_FUSION_LAUNCH"
"""`environment.LAUNCH_VARIABLE`."""
CHUNK = 1 << 16
NOT_FOUND = 127


def without_trust(line: bytes) -> bytes:
    """One message to codex, without the trust in projects that it would declare."""
    if b"projects" not in line:
        return line
    try:
        message = json.loads(line)
    except ValueError:
        return line  # codex won't understand it either
    params = message.get("params") if isinstance(message, dict) else None
    config = params.get("config") if isinstance(params, dict) else None
    if not isinstance(config, dict):
        return line
    named = [key for key in config if key.partition(".")[0] == "projects"]
    for key in named:
        del config[key]
    return json.dumps(message).encode() + b"\n" if named else line


def command(spec: dict[str, object], path: str, arguments: list[str]) -> list[str] | None:
    """The command line of the real codex; None if it is not to be found."""
    codex = spec.get("codex")
    search = spec.get("search")
    if not isinstance(codex, list) and isinstance(search, str):
        folders = (Path(entry) for entry in path.split(os.pathsep) if entry)
        found = (folder / "codex" for folder in folders if folder.is_relative_to(search))
        codex = [str(file) for file in found if os.access(file, os.X_OK)][:1]
    if not isinstance(codex, list) or not codex:
        return None
    overrides = spec.get("overrides")
    assert isinstance(overrides, list)  # noqa: S101 we wrote it
    return [*codex, *(word for override in overrides for word in ("-c", override)), *arguments]


def pump(source: int, sink: int) -> None:
    """Copy whole lines, filtered, until the source ends or nobody reads the sink any more."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(sink, 0)  # 0: only its end is news
    rest = b""
    while sink not in dict(poll.poll()):
        data = os.read(source, CHUNK)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            out = without_trust(line + b"\n")
            while out:
                out = out[os.write(sink, out) :]


def main() -> NoReturn:
    """Start the filter as a child, and become codex."""
    argv = command(json.loads(os.environ.pop(VARIABLE, "{}")), os.environ.get("PATH", ""), sys.argv[1:])
    if argv is None:
        sys.stderr.write("codex-fusion: the codex that belongs to codex-acp was not found\n")
        sys.exit(NOT_FOUND)
    out, into = os.pipe()
    if os.fork() == 0:
        os.close(out)
        os.close(sys.stdout.fileno())  # or codex-acp would not see codex's end
        try:
            pump(sys.stdin.fileno(), into)
        finally:
            os._exit(0)
    os.close(into)
    os.dup2(out, sys.stdin.fileno())
    os.close(out)
    os.execvp(argv[0], argv)  # noqa: S606 there is to be no shell


if __name__ == "__main__":
    main()
