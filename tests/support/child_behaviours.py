"""A child process that behaves as its first argument says: `python -S child_behaviours.py NAME [ARGUMENT…]`.

Standard library only, and started in milliseconds. Each behaviour says on stdout when it is ready.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import NoReturn

STDIN, STDOUT, STDERR = 0, 1, 2


def say(text: str) -> None:
    os.write(STDOUT, text.encode() + b"\n")


def linger() -> NoReturn:
    while True:
        time.sleep(3600)  # until it is killed


def echo() -> None:
    """Answer each line with its length and its first 20 characters."""
    for line in sys.stdin.buffer:
        text = line.rstrip(b"\n")
        say(f"{len(text)} {text[:20].decode()}")


def describe() -> None:
    """Tell the folder, the open descriptors and the environment, a line each."""
    say(os.getcwd())  # noqa: PTH109 (importing pathlib would double the start)
    say(",".join(str(fd) for fd in range(256) if is_open(fd)))
    say(",".join(sorted(f"{name}={value}" for name, value in os.environ.items())))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def stubborn() -> NoReturn:
    """Ignore SIGTERM and the end of stdin."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("ready")
    linger()


def polite() -> NoReturn:
    """Say goodbye on SIGTERM, and exit with 7."""

    def leave(*_: object) -> NoReturn:
        os.write(STDERR, b"goodbye")
        os._exit(7)

    signal.signal(signal.SIGTERM, leave)
    say("ready")
    linger()


def leave_behind(where: str, then: str) -> None:
    """Tell the pid of a fork that ignores SIGTERM and holds all pipes, in the group or its own session.

    As an `orphan`, that one is in its own session, and nobody's child. Then stay, or exit at the next line.
    """
    ready, tell = os.pipe()
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if where != "group":
            os.setsid()
        if where == "orphan" and os.fork():
            os._exit(0)
        os.write(tell, str(os.getpid()).encode())
        linger()
    if where == "orphan":
        os.wait()
    say(os.read(ready, 20).decode())
    if then == "stay":
        stubborn()
    sys.stdin.readline()  # and exit


def fill_stderr(size: str) -> None:
    """Write that many bytes and `END` to stderr, no newline; say so, and exit at the end of stdin."""
    rest = int(size)
    while rest:
        rest -= os.write(STDERR, b"x" * min(rest, 2**16))
    os.write(STDERR, b"END")
    say("written")
    sys.stdin.read()


def last_words(words: str) -> None:
    """Write them to stderr, and exit."""
    sys.stderr.write(words)
    sys.stderr.flush()
    os._exit(1)


def exit_at_once(code: str) -> None:
    os.write(STDERR, b"I could not start\n")
    os._exit(int(code))


def talk_and_exit(lines: str) -> None:
    for number in range(int(lines)):
        say(str(number))


def huge_line(size: str) -> None:
    rest = int(size)
    while rest:
        rest -= os.write(STDOUT, b"x" * min(rest, 2**16))
    say("")
    say("after it")
    linger()


def close(which: str) -> NoReturn:
    """Close stdin or stdout, and live on."""
    say("ready")
    os.close({"stdin": STDIN, "stdout": STDOUT}[which])
    linger()


def read_when_told() -> None:
    """Read nothing until SIGUSR1, then be `echo`."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    say("ready")
    signal.pause()
    echo()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
