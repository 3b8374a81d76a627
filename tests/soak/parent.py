"""A parent that a server can lose: it starts the command, and passes on what goes in and out.

`python parent.py COMMAND…`. On its stderr it tells the server's process id, once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

CHUNK = 1 << 16


def copy(source: int, sink: int) -> None:
    """Until either end is closed."""
    try:
        while data := os.read(source, CHUNK):
            while data:
                data = data[os.write(sink, data) :]
    except OSError:
        pass
    os.close(sink)


def main() -> int:
    """Until the server has ended."""
    server = subprocess.Popen(
        sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    sys.stderr.write(f"server={server.pid}\n")
    sys.stderr.flush()
    threading.Thread(target=copy, args=(0, os.dup(server.stdin.fileno())), daemon=True).start()
    server.stdin.close()
    copy(server.stdout.fileno(), 1)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
