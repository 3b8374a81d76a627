"""Owns a child as the server does, tells who belongs to it, and waits to be killed.

`python child_owner.py COMMAND…`: on stdout the child's pid, then the first line that the child says.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio

from codex_fusion.process import spawn


async def main() -> None:
    async with anyio.create_task_group() as tasks:
        mark = os.environ.get("MARK", "")
        child = await spawn(tasks, sys.argv[1:], dict(os.environ), Path.cwd(), mark=mark)
        said = await child.receive()
        print(child.pid, (said or b"").decode(), flush=True)  # noqa: T201 (that is its output)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
