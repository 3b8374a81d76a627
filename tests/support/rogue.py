"""Scripts for the rogue agent, and what a test sees of it.

    with Rogue(tmp_path) as rogue:
        rogue.prompt(text("a"), ask("touch x"), gate("after the decision"), kill_self())
        ...  # CODEX_FUSION_ACP_COMMAND=rogue.command
        rogue.wait_for("doing", do="gate")
        rogue.open("after the decision")

What the script leaves out, and every prompt after its last, the agent does well (rogue_agent.py).
Leaving the `with` ends every process of the agent's that is still there.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio.to_thread

from tests.support import rogue_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rogue_script import Action

Record = dict[str, Any]
"""A line of the agent's log."""

WAIT_LIMIT_S = 10.0
AGENT = Path(__file__).with_name("rogue_agent.py")


class Rogue:
    """One agent, over all its starts. `wrapped`: it is started one process further down, as by npx."""

    def __init__(self, folder: Path, *, wrapped: bool = False) -> None:
        self._path = folder / "rogue.json"
        self._log = folder / "rogue.log"
        self._wrapped = wrapped
        self._times: dict[str, list[list[Action]]] = {}
        self._always: dict[str, list[Action]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._records: list[Record] = []
        self._living: dict[socket.socket, int] = {}
        self._threads = [threading.Thread(target=self._accept)]
        self._save()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            for connection, pid in self._living.items():
                with suppress(OSError):
                    # It has not hung up, so it lives, and the pid is its own. (A frozen one can't be told.)
                    os.kill(pid, signal.SIGKILL)
                    connection.shutdown(socket.SHUT_RDWR)
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_LIMIT_S)
        self._listener.close()

    # --- the script

    def prompt(self, *actions: Action) -> Self:
        """What to do at the next `session/prompt` that nothing was said of yet."""
        return self.on("session/prompt", *actions)

    def on(self, event: str, *actions: Action) -> Self:
        """What to do at the next such event that nothing was said of yet."""
        self._times.setdefault(event, []).append(list(actions))
        return self._save()

    def always(self, event: str, *actions: Action) -> Self:
        """What to do at every such event that `on` says nothing of."""
        self._always[event] = list(actions)
        return self._save()

    def heals(self, event: str) -> Self:
        """From now on it does well at this event."""
        del self._always[event]
        return self._save()

    def dies_at_each_start(self, *, code: int = 3, says: str = "rogue: dying as told") -> Self:
        """It never comes to read anything."""
        return self.always("start", rogue_script.stderr(says), rogue_script.exit_(code))

    def _save(self) -> Self:
        host, port = self._listener.getsockname()
        control = f"{host}:{port}"
        script = {"times": self._times, "always": self._always, "log": str(self._log), "control": control}
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(script))
        draft.replace(self._path)
        return self

    @property
    def argv(self) -> tuple[str, ...]:
        """How to start it. It needs nothing of the environment."""
        wrapper = ("--wrapper",) if self._wrapped else ()
        return (sys.executable, "-I", "-S", str(AGENT), *wrapper, str(self._path))

    @property
    def command(self) -> str:
        """The same for `CODEX_FUSION_ACP_COMMAND`."""
        return shlex.join(self.argv)

    @property
    def env(self) -> dict[str, str]:
        """What a server needs to use it."""
        return {"CODEX_FUSION_ACP_COMMAND": self.command}

    # --- what it does

    def log(self, event: str | None = None, **fields: object) -> list[Record]:
        """All that happened, or what is like this, over all starts."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [record for line in lines if _is_like(record := json.loads(line), event, fields)]

    def prompts(self) -> list[str]:
        """The text of each prompt it got."""
        blocks = (record["message"]["params"]["prompt"] for record in self.log("session/prompt"))
        return ["".join(block.get("text", "") for block in prompt) for prompt in blocks]

    def answers(self) -> list[tuple[Any, str]]:
        """Each answer to a permission request: its id, and the option, `cancelled` or `error`."""
        return [(record["id"], record["answer"]) for record in self.log("answer")]

    @property
    def starts(self) -> int:
        """How often it was started."""
        return len(self.log("start"))

    def living(self) -> list[int]:
        """The agent's processes that live, its children among them."""
        self._catch_up()
        with self._changed:
            return sorted(self._living.values())

    def wait_for(
        self, event: str, *, count: int = 1, limit_s: float = WAIT_LIMIT_S, **fields: object
    ) -> Record:
        """Until it has happened `count` times in all; the last of these records."""

        def found() -> list[Record]:
            return [record for record in self._records if _is_like(record, event, fields)]

        self._wait(lambda: len(found()) >= count, f"{event} {fields}, {count} in all", limit_s)
        return found()[count - 1]

    def wait_until_gone(self, *, limit_s: float = WAIT_LIMIT_S) -> None:
        """Until no process of the agent's is left."""
        self._catch_up()
        self._wait(lambda: not self._living, "the end of all its processes", limit_s)

    async def happens(
        self, event: str, *, count: int = 1, limit_s: float = WAIT_LIMIT_S, **fields: object
    ) -> Record:
        """`wait_for`, for a test on the event loop that the server runs on."""
        wait = partial(self.wait_for, event, count=count, limit_s=limit_s, **fields)
        return await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)

    async def is_gone(self, *, limit_s: float = WAIT_LIMIT_S) -> None:
        """`wait_until_gone`, for a test on an event loop."""
        wait = partial(self.wait_until_gone, limit_s=limit_s)
        await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)

    def open(self, gate: str) -> None:
        """Let the agent that runs pass the gate, now or when it comes there."""
        self._order({"open": gate})

    def order(self, action: Action) -> None:
        """Have the agent that runs do this now, in its last turn; `wait_for("did", …)` tells when it has."""
        self._order(action)

    def children_say(self, line: str) -> None:
        """Have each child write this line to its stdout, which may be the agent's."""
        self._order({"say": line + "\n"})

    def _order(self, order: dict[str, Any]) -> None:
        line = json.dumps(order).encode() + b"\n"
        self._catch_up()
        with self._changed:
            for connection in self._living:
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(line)

    def _catch_up(self) -> None:
        """Until the connection is known of every process that the log knows of."""
        begun = sum("pid" in record for record in self.log())
        self._wait(
            lambda: sum("pid" in record for record in self._records) >= begun, "connections", WAIT_LIMIT_S
        )

    def _wait(self, true: Callable[[], bool], what: str, limit_s: float) -> None:
        with self._changed:
            if self._changed.wait_for(true, limit_s):
                return
            pids = sorted(self._living.values())
        last = "\n".join(json.dumps(record)[:300] for record in self.log()[-12:])
        msg = f"Waited {limit_s} s for {what}. Living: {pids}. The agent's last records:\n{last}"
        raise AssertionError(msg)

    # --- the control connections, a thread for each

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # shut down
            thread = threading.Thread(target=self._follow, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _follow(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError), connection.makefile() as lines:
            try:
                for line in lines:
                    record = json.loads(line)
                    with self._changed:
                        if "pid" in record:
                            self._living[connection] = record["pid"]
                        self._records.append(record)
                        self._changed.notify_all()
            finally:
                with self._changed:
                    self._living.pop(connection, None)
                    self._changed.notify_all()


def _is_like(record: Record, event: str | None, fields: dict[str, object]) -> bool:
    return event in (None, record["event"]) and all(
        record.get(name) == value for name, value in fields.items()
    )
