"""What may be left of a scenario: processes, files, tasks, memory. Linux."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.children import children
from tests.support.rogue_script import STANDING, STANDING_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.rogue import Rogue

STANDING_IDS = {STANDING["optionId"], STANDING_FILES["optionId"]}


def open_files(pid: int | str = "self") -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (it would open more)


def peak_memory_mb(pid: int | str = "self") -> float:
    """The most that a process had in memory since `forget_peak`."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def forget_peak() -> None:
    """Of this process, see proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def watchdogs(agent: Iterable[int]) -> list[int]:
    """The watchdogs of these process groups that still run."""
    groups = {str(pid).encode() for pid in agent}
    pids = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if b"codex-fusion-watchdog" in words and groups.intersection(words):
                pids.append(int(file.parent.name))
    return pids


@dataclass(frozen=True, slots=True)
class _Held:
    files: int
    processes: set[int]
    tasks: set[asyncio.Task[object]]

    @classmethod
    def now(cls) -> _Held:
        return cls(open_files(), children(), asyncio.all_tasks())


@contextmanager
def nothing_left() -> Iterator[None]:
    """What runs inside leaves nothing in this process, and no process."""
    before = _Held.now()
    yield
    after = _Held.now()
    assert after.tasks <= before.tasks, f"Tasks left: {after.tasks - before.tasks}"
    assert after.processes <= before.processes, f"Processes left: {after.processes - before.processes}"
    assert after.files == before.files, f"{before.files} files were open, and now {after.files}"


def check_answers(rogue: Rogue) -> None:
    """Each request was answered once, where its agent lived to hear it, and nothing standing granted."""
    asked = Counter((record["start"], str(record["id"])) for record in rogue.log("asked"))
    answers = rogue.log("answer", known=True)
    answered = Counter((record["start"], str(record["id"])) for record in answers)
    living = {record["start"] for record in rogue.log("start") if record["pid"] in rogue.living()}
    for (start, name), times in asked.items():
        heard = answered[start, name]
        assert heard <= times, f"Request {name} of start {start} was answered {heard} times"
        assert heard == times or start not in living, f"Request {name} was answered {heard} of {times} times"
    granted = {record["answer"] for record in answers} & STANDING_IDS
    assert not granted, f"A standing grant: {granted}"
