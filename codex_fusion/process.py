"""A child process in a session of its own: bounded lines, drained stderr, an end that always comes.

A child is watched by one task until it is gone; `kill` only asks that task to end it, so no
cancelled caller can leave an end half done. Nothing survives our own death either (`watchdog`).
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from codex_fusion import descendants
from codex_fusion.errors import AgentGoneError, AgentStartError
from codex_fusion.frames import LINE_LIMIT, LineReader
from codex_fusion.pipes import ReadEnd, WriteEnd
from codex_fusion.scrub import scrub
from codex_fusion.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anyio.abc import Process, TaskGroup, TaskStatus

_GRACE_S = 0.2
_REAP_S = 0.4
"""How long a SIGKILL may take to show. Only a process stuck in the kernel takes longer: it is let go."""
_DEAF_S = 0.5
"""A child that has closed its stdin is about to exit, or never hears us again."""
_TAIL = 4096
_KEPT = 16 * _TAIL
"""Of stderr, so that a secret is whole when it is looked for: the half of one has no known shape."""
_DRAINED_LAST = 64
"""Reads of what a dead child left in its stderr: a pipe holds less, unless someone still fills it."""


async def spawn(  # noqa: PLR0913 each is named but the first four
    tasks: TaskGroup,
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    *,
    line_limit: int = LINE_LIMIT,
    mark: str = "",
) -> Child:
    """Start `argv` in `cwd` with exactly that environment; the child is ended when `tasks` is cancelled.

    Whatever has `mark` in its environment, a text that nothing else has, ends with it.

    :raises AgentStartError: if it can't be started
    """
    if sys.platform == "win32":
        raise AgentStartError(
            "The agent was not started: codex-fusion needs process groups, which Windows does not have.",
            "Run Claude Code and codex-fusion in WSL.",
        )
    try:
        process, stdin, stdout, stderr = await _open(argv, env, cwd)
    except (OSError, ValueError) as error:
        raise _not_started(argv, cwd, error) from error
    child = Child(process, stdin, stdout, stderr, line_limit, mark)
    try:
        await tasks.start(child._watch_over)  # noqa: SLF001 (its other half)
    except BaseException:
        child.kill_now()  # cancelled before anyone watched over it
        child._close()  # noqa: SLF001
        raise
    return child


async def _open(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path
) -> tuple[Process, WriteEnd, ReadEnd, ReadEnd]:
    """Start the process, and return it with our ends of its stdin, stdout and stderr."""
    fds: list[int] = []
    try:
        for _ in range(3):
            fds += os.pipe()
        in_theirs, in_ours, out_ours, out_theirs, err_ours, err_theirs = fds
        # A cancelled start would leave a killed process that nobody reaps; it takes milliseconds at most.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                argv,
                stdin=in_theirs,
                stdout=out_theirs,
                stderr=err_theirs,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    for fd in (in_theirs, out_theirs, err_theirs):
        os.close(fd)
    return process, WriteEnd(in_ours), ReadEnd(out_ours), ReadEnd(err_ours)


def _not_started(argv: Sequence[str], cwd: Path, error: OSError | ValueError) -> AgentStartError:
    command = shlex.join(argv)
    if isinstance(error, OSError) and str(error.filename) == str(cwd):
        return AgentStartError(
            f"The agent was not started: its folder {cwd} can't be entered ({error.strerror}).",
            "Set CODEX_FUSION_WORKSPACE to a folder that can.",
        )
    match error:
        case FileNotFoundError():
            why = f"the program {argv[0]}, or what it runs with, is not there"
            remedy = (
                "Install it (`codex-fusion setup`), or set CODEX_FUSION_ACP_COMMAND to the agent's command."
            )
        case PermissionError():
            why = f"{argv[0]} may not be run by this user"
            remedy = (
                f"Make it executable (`chmod +x {shlex.quote(argv[0])}`), or set CODEX_FUSION_ACP_COMMAND."
            )
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            why = "too many files are open"
            remedy = "Raise the limit (`ulimit -n`) for the program that starts codex-fusion, then reconnect."
        case _:
            why = str(error)
            remedy = "Run that command in a terminal to see why."
    return AgentStartError(f"The agent was not started: {why}. The command was: {command}", remedy)


class Child:
    """A running child, made by `spawn`. Whoever has it ends it with `kill`, whatever happened to it."""

    def __init__(  # noqa: PLR0913, PLR0917 `spawn` is what makes one
        self,
        process: Process,
        stdin: WriteEnd,
        stdout: ReadEnd,
        stderr: ReadEnd,
        line_limit: int,
        mark: str,
    ) -> None:
        self._process = process
        self._mark = mark
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self._reader = LineReader(line_limit)
        self._lines: deque[bytes] = deque()
        # A line that the writer has taken goes out whole, even if its sender is cancelled.
        self._outbox, self._to_write = anyio.create_memory_object_stream[bytes](0)
        self._tail = bytearray()
        self._watchdog = Watchdog()
        self._swept = False
        self._grace_s = _GRACE_S
        self._kill_wanted = anyio.Event()
        self._ended = anyio.Event()

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group and session too."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that killed it; None while that is not known."""
        if self._process.returncode is not None or not hasattr(os, "waitid"):
            return self._process.returncode
        try:
            exited = self._exited()
        except ChildProcessError:
            return None  # reaped, and told in a moment
        if exited is None:
            return None
        return exited.si_status if exited.si_code == os.CLD_EXITED else -exited.si_status

    @property
    def alive(self) -> bool:
        """Does the process run? Asked of the system each time."""
        if self._process.returncode is not None:
            return False
        try:
            if hasattr(os, "waitid"):
                return self._exited() is None
            os.kill(self.pid, 0)  # macOS before Python 3.13
        except (ChildProcessError, ProcessLookupError):
            return False  # already reaped
        return True

    def _exited(self) -> os.waitid_result | None:
        """How it exited, before asyncio knows of it; None while it runs."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    @property
    def stderr_tail(self) -> str:
        """The last that it wrote to stderr, without secrets; complete once `kill` has returned."""
        return scrub(self._tail.decode(errors="replace"))[-_TAIL:]

    @property
    def oversized(self) -> int:
        """How many lines of its output were dropped for their length."""
        return self._reader.oversized

    async def send(self, line: bytes) -> None:
        """Hand over one line, without its newline; waits while the child is behind with earlier ones.

        :raises AgentGoneError: if the child reads no more, or is killed meanwhile
        """
        try:
            await self._outbox.send(line + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise AgentGoneError(
                "The agent no longer reads what it is sent.",
                "Call again: it is started anew.",
                self.stderr_tail,
            ) from None

    async def receive(self) -> bytes | None:
        """The next line of its output, without its newline; None when no more can come.

        That is: at the end of its output, when it has exited and all it wrote was received, when it
        goes on without listening to us, and after `kill`.
        """
        while not self._lines:
            data = await self._stdout.receive()
            if not data:
                return None
            self._lines.extend(self._reader.feed(data))
        return self._lines.popleft()

    async def wait(self) -> int:
        """Wait until it has exited, whoever still holds its pipes."""
        return await self._process.wait()

    async def kill(self, grace_s: float = _GRACE_S) -> None:
        """End it and everything below it: closed stdin and SIGTERM, after the grace SIGKILL.

        Returns when it is reaped, everything below it has got SIGKILL, and the pipes are closed: in well
        under a second, also when it had exited by itself before.
        """
        if not self._kill_wanted.is_set():
            self._grace_s = grace_s
            self._kill_wanted.set()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    def end_commands(self) -> None:
        """SIGKILL to what descends from it outside of its group: Codex's commands have their own sessions."""
        descendants.kill(self._outside())

    def _outside(self, earlier: frozenset[descendants.Entry] = frozenset()) -> frozenset[descendants.Entry]:
        known = earlier | descendants.marked(self._mark)
        return descendants.outside_group(descendants.read_table(), self.pid, known)

    def kill_now(self) -> None:
        """SIGKILL to the group and whatever descends from it, without waiting (for signal handlers)."""
        self._sweep(frozenset())

    async def _watch_over(self, *, task_status: TaskStatus[None]) -> None:
        """Serve the pipes until the child is to end, then end it."""
        try:
            async with anyio.create_task_group() as tasks:
                task_status.started()
                for serve in (self._write, self._drain, self._notice_exit, self._notice_deafness):
                    tasks.start_soon(serve)
                await self._watchdog.start(self.pid, self._mark)
                if self._swept:  # it had exited before it could be guarded
                    self._watchdog.disarm()
                await self._kill_wanted.wait()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._end()

    async def _write(self) -> None:
        # Closing the receiving end tells the senders.
        with self._to_write, suppress(OSError, anyio.ClosedResourceError):
            async for line in self._to_write:
                await self._stdin.send(line)

    async def _drain(self) -> None:
        while data := await self._stderr.receive():
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._tail += data
        del self._tail[:-_KEPT]

    async def _notice_exit(self) -> None:
        await self._process.wait()
        self._sweep(frozenset())
        # A survivor that holds the pipe must not keep a reader waiting for an agent that is gone.
        self._stdout.finish()

    async def _notice_deafness(self) -> None:
        await self._stdin.abandoned()
        with anyio.move_on_after(_DEAF_S):
            await self._process.wait()
        self._stdout.finish()

    async def _end(self) -> None:
        try:
            self._stdin.close()
            self._outbox.close()
            outside: frozenset[descendants.Entry] = frozenset()
            if self._process.returncode is None:
                outside = self._outside()
                self._signal_group(signal.SIGTERM)
                with anyio.move_on_after(self._grace_s):
                    await self._process.wait()
            self._sweep(outside)
            with anyio.move_on_after(_REAP_S):
                await self._process.wait()
            await self._watchdog.stop()
        finally:
            self._sweep(frozenset())
            self._close()
            self._ended.set()

    def _sweep(self, earlier: frozenset[descendants.Entry]) -> None:
        """SIGKILL whatever is left, once: later, the group's id may be another's."""
        if self._swept:
            return
        self._swept = True
        outside = self._outside(earlier)
        self._signal_group(signal.SIGKILL)
        descendants.kill(outside)
        self._watchdog.disarm()

    def _signal_group(self, number: signal.Signals) -> None:
        # PermissionError: macOS says so of a group in which all have exited.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close(self) -> None:
        for _ in range(_DRAINED_LAST):
            data = self._stderr.receive_nowait()
            if not data:
                break
            self._keep(data)
        for end in (self._stdin, self._stdout, self._stderr, self._outbox, self._to_write):
            end.close()
