"""A headless Chromium for the tests: installed once from npm at a pinned version, driven over a pipe.

The package brings the browser and the libraries that it needs, for Linux on x86-64; elsewhere a Chromium or
Chrome that is on PATH is taken. It is spoken to in the DevTools protocol: JSON, ended by a zero byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import npm
from tests.support.real_agent import cache_folder
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE, VERSION = "@sparticuz/chromium", "153.0.0"
UNPACK = (
    "const [from, to] = process.argv.slice(1);"
    "require('stream').pipeline(require('fs').createReadStream(from),"
    "require('zlib').createBrotliDecompress(), require('fs').createWriteStream(to),"
    "(error) => { if (error) throw error; })"
)
"""For node, which has what Python's library has not: Brotli."""
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
"""The package's own names folders of another system, and a browser without any font ends."""
FLAGS = (
    "--headless",
    "--no-sandbox",  # it can't have one in a container; it sees nothing but pages of ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
_ON_PIPES = (
    "import fcntl, os, sys\n"
    "read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])\n"  # out of the way
    "os.dup2(read, 3), os.dup2(write, 4)\n"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
"""It reads from descriptor 3 and writes to 4."""
ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser_folder() -> Path:
    """Where the browser and its libraries are; npm and node run if this is the first time."""
    cache = cache_folder(os.environ)
    folder = cache / f"headless-chromium-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may want it at once
        if not folder.exists():
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    packed = npm.installed(PACKAGE, VERSION, "bin/chromium.br").parent
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
        stage = Path(scratch) / "stage"
        stage.mkdir()
        for name in ("chromium", "al2023.tar", "fonts.tar"):
            subprocess.run(
                ("node", "-e", UNPACK, packed / f"{name}.br", stage / name),  # noqa: S607 where npm is
                check=True,
                stdin=subprocess.DEVNULL,
                timeout=LIMIT_S,
            )
        for name in ("al2023.tar", "fonts.tar"):
            with tarfile.open(stage / name) as tar:
                tar.extractall(stage, filter="data")
            (stage / name).unlink()
        (stage / "chromium").chmod(0o755)
        (stage / "fonts.conf").write_text(FONTS.format(folder=folder))
        stage.rename(folder)
    shutil.rmtree(packed.parents[3])  # packed, it would only take room


def _command() -> tuple[str, dict[str, str]]:
    """The browser, and what it needs in its environment."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        folder = browser_folder()
        fonts = {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
        return str(folder / "chromium"), {"LD_LIBRARY_PATH": str(folder / "lib"), **fonts}
    found = next(filter(None, map(shutil.which, ON_PATH)), None)
    assert found is not None, f"a browser is needed on PATH: {', '.join(ON_PATH)}"
    return found, {}


@dataclass
class Page:
    """One tab. `events` are all that the browser told of it."""

    _write: int
    _read: int
    _session: str = ""
    _sent: int = 0
    _rest: bytes = b""
    events: list[dict[str, Any]] = field(default_factory=list)

    def begin(self) -> None:
        """Have a tab, and hear of what it does."""
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def open(self, file: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self.events.clear()
        self.do("Page.navigate", url=file.as_uri())
        if not self.of("Page.loadEventFired"):
            self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def size(self, width: int, height: int = 900) -> None:
        """As a window, or a phone, of so many CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.do("Emulation.setDeviceMetricsOverride", **size)

    def media(self, *, dark: bool = False, print_: bool = False) -> None:
        """As somebody's system has it."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", media="print" if print_ else "", features=[scheme])

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 JSON
        """What an expression comes to in the page."""
        done = self.do("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def tab(self) -> tuple[str, str] | None:
        """Press Tab; the element that has the focus then, by its tag, and the width of its outline."""
        for kind in ("rawKeyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        at = self.evaluate(
            "(at => at && at !== document.body ? [at.tagName, getComputedStyle(at).outlineWidth] : null)"
            "(document.activeElement)"
        )
        return None if at is None else (at[0], at[1])

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write the page as a PNG, as wide as it is shown; not `whole`: no more of it than that."""
        clip = {"clip": self._whole()} if whole else {}
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=whole, **clip)
        file.write_bytes(base64.b64decode(shot["data"]))

    def of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of one kind since `open`."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def do(self, method: str, **params: object) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._sent += 1
        number = self._sent
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == number)
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _whole(self) -> dict[str, float]:
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT_S
        while True:
            message, found, rest = self._rest.partition(b"\0")
            if found:
                self._rest = rest
                told: dict[str, Any] = json.loads(message)
                self.events.append(told)
                if wanted(told):
                    return told
                continue
            left = deadline - time.monotonic()
            assert select.select([self._read], [], [], max(0, left))[0], "the browser did not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data


@contextmanager
def a_page() -> Iterator[Page]:
    """A browser with one empty tab."""
    command, needs = _command()
    to_read, write = os.pipe()
    read, to_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            (
                sys.executable,
                "-I",
                "-c",
                _ON_PIPES,
                str(to_read),
                str(to_write),
                command,
                *FLAGS,
                f"--user-data-dir={home}",
            ),
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, **needs},
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            page = Page(write, read)
            page.begin()
            yield page
        finally:
            os.close(write)  # the end of its input is its end
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(LIMIT_S)
            os.close(read)
