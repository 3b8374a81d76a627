"""An ACP agent that does wrong on command: a real process, for tests. `rogue.py` writes its scripts.

    rogue_agent.py SCRIPT              SCRIPT: a path, or JSON; without it, the variable ROGUE_SCRIPT
    rogue_agent.py --wrapper SCRIPT    the same one process further down, as with npx

The script says what to do at an event: `{"times": {EVENT: [[ACTION, …] for the first time, …]},
"always": {EVENT: [ACTION, …]}, "log": PATH, "control": "HOST:PORT"}`. Events are `start`, `EOF`, `SIGTERM`,
`SIGINT`, `SIGHUP` and ACP's methods. They are counted over all processes that share a log, so that an
agent which is started again goes on with the next prompt. What the script leaves out is done as codex-acp
2.6.0 does it. An action is `{"do": NAME, …}`; rogue_actions.py has them all.

To the log (ROGUE_LOG; and, as a notification, to the control connection) goes a JSON line for each event,
with its message; for each answer to a permission request; and for each action, `did` afterwards, with a
`doing` before those that block or do not return. The process ends with its control connection: nothing
outlives the test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # it runs isolated: only what ships with Python, and this

from tests.support.rogue_actions import ACTIONS
from tests.support.rogue_core import Journal, Rogue

ORPHAN_LIFE_S = 60.0
"""Without a control connection, a child ends by itself."""


def be_wrapper(source: str) -> int:
    """What npx is: a parent that shares its streams with the agent, and waits."""
    script = json.loads(source if source.startswith("{") else Path(source).read_text())
    journal = Journal(script, 0)  # held: its connection tells the test that this process lives
    journal.write("wrapper", pid=os.getpid())
    agent = subprocess.Popen([sys.executable, "-I", "-S", __file__, source])
    return agent.wait()


def be_child(settings: dict[str, Any]) -> None:
    """Exist until killed, or until the test is over; what a `say` order holds is written to stdout."""
    for name in settings["ignores"]:
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    journal = Journal(settings, settings["start"])
    journal.write("child", pid=os.getpid())
    os.close(settings["ready"])
    if journal.control is None:
        time.sleep(ORPHAN_LIFE_S)
        return
    for line in journal.control.makefile():
        order = json.loads(line)
        if "say" in order:
            os.write(1, order["say"].encode())
            journal.write("said", say=order["say"])


def main(arguments: list[str]) -> int:
    """Be what the arguments say."""
    match arguments:
        case ["--child", settings]:
            be_child(json.loads(settings))
        case ["--wrapper", source]:
            return be_wrapper(source)
        case _:
            Rogue(arguments[0] if arguments else os.environ["ROGUE_SCRIPT"], ACTIONS).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
