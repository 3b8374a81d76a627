"""A program on a terminal of the test's own: what it shows, as text, and keys pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING, Self

from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ENTER = "\r"
ESCAPE = "\x1b"
CONTROL_C = "\x03"

_ON_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # so that it is told when the terminal goes away
    "os.execv(sys.argv[1], sys.argv[1:])"
)
_SIZE = struct.pack("HHHH", 50, 200, 0, 0)
_OPERATING_SYSTEM_COMMAND = re.compile(r"\x1b\].*?(?:\x07|\x1b\\)", re.DOTALL)
_FORWARD = re.compile(r"\x1b\[(\d*)C")
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[ -/]*[0-~]|[\x00-\x08\x0e-\x1f]")
_WHO_ARE_YOU = b"\x1b[c"
_A_VT220 = b"\x1b[?62c"


class Terminal:
    """Runs the command in a session of its own, with a terminal as its standard streams."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._command = (sys.executable, "-I", "-c", _ON_TERMINAL, *command)
        self._cwd = cwd
        self._environment = dict(environment)
        self._news = threading.Condition()
        self._output = b""
        self._read = 0
        self._over = False

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, _SIZE)
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._environment,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        finally:
            os.close(slave)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(LIMIT_S)
        self.hang_up()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        """All that was shown so far, without what only moves and colours it."""
        return plain(self._output.decode(errors="replace"))

    def shows(self, text: str) -> None:
        """Wait until `text` is shown, later than what an earlier `shows` waited for."""
        with self._news:
            found = self._news.wait_for(lambda: self._find(text) or self._over, LIMIT_S) and self._find(text)
            assert found, f"The terminal never showed {text!r}, but:\n{self.text[self._read :][-4000:]}"
            self._read = found

    def submit(self, line: str) -> None:
        """Type a line, and press Enter once it stands there (together they would be a paste)."""
        self.press(line)
        self.shows(line)
        self.press(ENTER)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal, as a person closes its window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        self._reader.join(LIMIT_S)

    def exit_code(self) -> int:
        """Wait for the program's end."""
        return self._process.wait(LIMIT_S)

    def _find(self, text: str) -> int:
        """Where, after what was read, `text` ends; 0 if it is not there."""
        at = self.text.find(text, self._read)
        return at + len(text) if at >= 0 else 0

    def _listen(self) -> None:
        while True:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # Linux's way to say that no one has the other side any more
                data = b""
            with self._news:
                self._output += data
                self._over = not data
                self._news.notify_all()
            if not data:
                return
            if _WHO_ARE_YOU in data:
                os.write(self._master, _A_VT220)


def plain(output: str) -> str:
    """What a terminal was sent, as text in the order of its coming."""
    output = _OPERATING_SYSTEM_COMMAND.sub("", output)
    output = _FORWARD.sub(lambda found: " " * int(found[1] or 1), output)
    return _CONTROL.sub("", output).replace("\xa0", " ").replace("\r\n", "\n")
