"""The rogue agent's engine: it reads, counts events, writes the log, and plays the script (rogue_agent.py).

Standard library only. The main thread reads and dispatches; each event is played by a thread of its own, so
that what it does is in order, and every pause is a wait for something, never a sleep.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import subprocess

Script = dict[str, Any]
Action = dict[str, Any]
Doer = Callable[..., None]
"""`(rogue, turn, **fields of the action)`."""

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
BLOCKING = {"exit", "kill_self", "hang", "sleep_until_cancel", "gate", "wait"}
LOGGED_CHARACTERS = 100_000
"""A longer string is cut in the log."""
READ_SIZE = 1 << 16


class Cancelled(Exception):  # noqa: N818 - control flow
    """`session/cancel` came: what the turn was doing is given up."""


class Rejected(Exception):  # noqa: N818 - control flow
    """The client said no: as in codex-acp, that ends the turn."""


class Journal:
    """Lines to the log and to the control connection, and the counts of what is in the log already."""

    def __init__(self, script: Script, start: int | None = None) -> None:
        log = os.environ.get("ROGUE_LOG") or script.get("log") or os.devnull
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        with Path(log).open() as lines:
            self.counts = Counter(json.loads(line)["event"] for line in lines)
        self.start = self.counts["start"] + 1 if start is None else start
        self.control: socket.socket | None = None
        if control := script.get("control"):
            host, port = control.rsplit(":", 1)
            self.control = socket.create_connection((host, int(port)))

    def write(self, event: str, **fields: object) -> None:
        record = _shortened({"event": event, "start": self.start, **fields})
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)
            if self.control:
                self.control.sendall(line)


def _shortened(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and len(value) > LOGGED_CHARACTERS:
        return f"{value[:LOGGED_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


@dataclass(eq=False)
class Turn:
    """What is done about one event; a turn in the sense of ACP when the event is a prompt."""

    event: str
    n: int
    message: dict[str, Any] = field(default_factory=dict)
    answered: bool = False
    cancel: int | None = None
    """It was cancelled, by the how manieth `session/cancel`."""
    deaf: bool = False
    """Cancelling interrupts nothing any more: the script has taken notice of it, or never will."""

    @property
    def params(self) -> dict[str, Any]:
        return self.message.get("params") or {}

    @property
    def session(self) -> str:
        return str(self.params.get("sessionId", ""))


@dataclass(eq=False)
class Ask:
    """A permission request that was sent."""

    id: Any
    turn: Turn
    rejecting: set[str]
    """The answers that end the turn."""
    answers: list[str] = field(default_factory=list)
    withdrawn: bool = False


class Rogue:
    """The agent. Actions work on what is public here."""

    def __init__(self, source: str, actions: dict[str, Doer]) -> None:
        self._source = source
        self._actions = actions
        self.journal = Journal(self.script())
        self.asks: list[Ask] = []
        self.modes: dict[str, str] = {}
        """What each session was set to."""
        self.claimed_mode: str | None = None
        """What is said of every session instead."""
        self.gates: set[str] = set()
        self.ignored: set[str] = set()
        self.children: list[subprocess.Popen[bytes]] = []
        self.reading = False
        self._turns: list[Turn] = []
        self._changed = threading.Condition()
        self._out = threading.Lock()
        self._posted: deque[Callable[[], object]] = deque()
        self._wake_r, self._wake_w = os.pipe()

    def script(self) -> Script:
        """Read anew each time: a test may go on writing it."""
        text = self._source if self._source.startswith("{") else Path(self._source).read_text()
        return dict(json.loads(text))

    # --- events

    def run(self) -> NoReturn:
        """Serve until something ends the process."""
        os.set_blocking(self._wake_w, False)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)  # `_woken` sees it
        if self.journal.control:
            threading.Thread(target=self._obey, args=(self.journal.control,), daemon=True).start()
        self._happened("start", pid=os.getpid(), cwd=str(Path.cwd()), env=sorted(os.environ))
        pending = b""
        while True:
            ready, _, _ = select.select([self._wake_r, *([0] if self.reading else [])], [], [])
            if self._wake_r in ready:
                self._woken(os.read(self._wake_r, 512))
            elif not (data := os.read(0, READ_SIZE)):
                self.reading = False
                self._happened("EOF")
            else:
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._received(line)

    def _woken(self, data: bytes) -> None:
        for number in SIGNALS.intersection(data):
            self._happened(signal.Signals(number).name)
        while self._posted:
            self._posted.popleft()()

    def on_main(self, work: Callable[[], object]) -> None:
        """Do it between two reads: a descriptor that is being waited on is not really closed."""
        done = threading.Event()
        self._posted.extend((work, done.set))
        os.write(self._wake_w, b"\0")
        done.wait()

    def _happened(self, event: str, message: dict[str, Any] | None = None, **fields: object) -> None:
        self.journal.counts[event] += 1
        turn = Turn(event, self.journal.counts[event], message or {})
        self.journal.write(event, n=turn.n, **({"message": message} if message else {}), **fields)
        if event in self.ignored:
            return
        if event == "session/cancel":
            with self._changed:
                for running in self._turns:
                    if running.session == turn.session and not running.answered and running.cancel is None:
                        running.cancel = turn.n
                self._changed.notify_all()
            return
        if event == "session/prompt":
            self._turns.append(turn)
        threading.Thread(target=self._guarded, args=(self._play, turn), daemon=True).start()

    def _received(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.journal.write("garbage", line=repr(line[:1000]))
            return
        if "method" in message:
            self._happened(message["method"], message)
            return
        outcome = message.get("result", {}).get("outcome", {})
        answer = outcome.get("optionId") or outcome.get("outcome") or "error"
        asks = [ask for ask in self.asks if ask.id == message.get("id")]
        self.journal.write("answer", id=message.get("id"), answer=answer, known=bool(asks), message=message)
        with self._changed:
            if asks:
                next((ask for ask in asks if not ask.answers), asks[-1]).answers.append(answer)
            self._changed.notify_all()

    def _obey(self, control: socket.socket) -> None:
        """The test's orders: open a gate, or do something now, in the turn that runs."""
        for line in control.makefile():
            order = json.loads(line)
            if "open" in order:
                with self._changed:
                    self.gates.add(order["open"])
                    self._changed.notify_all()
            elif "do" in order:
                turn = self._turns[-1] if self._turns else Turn("order", 0)
                threading.Thread(target=self._guarded, args=(self.perform, turn, order), daemon=True).start()
        os._exit(99)

    # --- playing an event

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except (Cancelled, Rejected):
            pass  # an order that waited: there is no turn to give up
        except OSError as error:
            self.journal.write("write_failed", error=repr(error))
        except Exception as error:  # noqa: BLE001 - the test is told, whatever it is
            self.journal.write("bug", error=repr(error))
            os._exit(70)

    def _play(self, turn: Turn) -> None:
        rejected = False
        try:
            self._perform_all(turn, self._scripted(turn.event, turn.n))
        except Cancelled:
            turn.deaf = True
            self._perform_all(turn, self._scripted("session/cancel", turn.cancel or 0))
        except Rejected:
            rejected = True
        if turn.event == "start":
            self.on_main(self._begin_to_read)
        elif turn.event == "EOF":
            self.perform(turn, {"do": "exit", "code": 0})
        elif turn.event in signal.Signals.__members__:
            self.perform(turn, {"do": "exit", "code": 128 + signal.Signals[turn.event]})
        elif not turn.answered and "id" in turn.message:
            stopped = rejected or turn.cancel is not None
            self.perform(turn, {"do": "reply", "stop_reason": "cancelled" if stopped else "end_turn"})

    def _begin_to_read(self) -> None:
        self.reading = True

    def _scripted(self, event: str, n: int) -> list[Action]:
        script = self.script()
        times = script.get("times", {}).get(event, [])
        actions = times[n - 1] if n <= len(times) else script.get("always", {}).get(event)
        if actions is None:
            default = {"session/prompt": {"do": "text", "text": "ok"}, "session/cancel": {"do": "withdraw"}}
            actions = [default[event]] if event in default else []
        return list(actions)

    def _perform_all(self, turn: Turn, actions: list[Action]) -> None:
        for action in actions:
            self._stop_if_cancelled(turn)
            self.perform(turn, action)

    def perform(self, turn: Turn, action: Action) -> None:
        """Do one thing, and log it."""
        fields = {key: value for key, value in action.items() if key != "do"}
        if action["do"] in BLOCKING:
            self.journal.write("doing", of=turn.event, do=action["do"], **fields)
        self._actions[action["do"]](self, turn, **fields)
        self.journal.write("did", of=turn.event, do=action["do"], **fields)

    def _stop_if_cancelled(self, turn: Turn) -> None:
        if turn.cancel is not None and not turn.deaf and not turn.answered:
            raise Cancelled

    def until(self, turn: Turn, true: Callable[[], bool]) -> None:
        """Wait for it, unless the turn is cancelled first."""
        with self._changed:
            while not true():
                self._stop_if_cancelled(turn)
                self._changed.wait()

    def write(self, *pieces: bytes) -> None:
        """Put on stdout, whole, between what other threads write."""
        with self._out:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(1, view) :]

    def send(self, message: object) -> None:
        """Any JSON, as a line."""
        self.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
