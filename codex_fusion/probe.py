"""Tries the sandbox of a plan, without a model: what a command of Codex's can do here, on this system."""

from __future__ import annotations

import secrets
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_fusion.confinement import sandbox_argv
from codex_fusion.errors import ConfinementError

if TYPE_CHECKING:
    from codex_fusion.confinement import Plan
    from codex_fusion.surroundings import Surroundings

LIMIT_S = 20.0
_SCRIPT = """
cat < "$1" > /dev/null 2>&1 && echo read
(: > "$2") 2> /dev/null && echo wrote
(exec 3<> "/dev/tcp/127.0.0.1/$3") 2> /dev/null && echo connected
echo done
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a command in the sandbox did; `ran` False: the system can't sandbox it, and it did not run."""

    ran: bool
    read_outside: bool
    wrote_inside: bool
    connected: bool
    said: str
    """What the sandbox wrote to stderr."""


def try_sandbox(plan: Plan, around: Surroundings) -> Tried:
    """Try to read a file outside the workspace, to write one inside, and to connect. Takes about 50 ms.

    :raises OSError: codex can't be started. :raises subprocess.TimeoutExpired: it does not end.
    """
    facts = around.facts
    assert facts.codex is not None  # noqa: S101 the caller has looked
    outside = around.folder / "outside"
    outside.write_text("nobody in the sandbox reads this\n", encoding="utf-8")
    inside = facts.workspace / f".codex-fusion-probe-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = ("bash", "-c", _SCRIPT, "probe", str(outside), str(inside), str(port))
        try:
            done = subprocess.run(
                sandbox_argv(plan, facts.codex, command),
                cwd=facts.workspace,
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=LIMIT_S,
                check=False,
            )
        finally:
            # What the command wrote into a private file system of its own is not here.
            wrote = inside.exists()
            inside.unlink(missing_ok=True)
    words = done.stdout.split()
    return Tried("done" in words, "read" in words, wrote, "connected" in words, done.stderr.strip()[-2000:])


def judge(plan: Plan, tried: Tried) -> ConfinementError | None:
    """What is wrong with what was tried; None: the sandbox holds as the plan says."""
    if not tried.ran:
        return ConfinementError(
            "This system can't sandbox Codex's commands: none of them would run.",
            "On Linux, Codex needs unprivileged user namespaces (in a container they are often switched off; "
            "on Ubuntu 24.04 see kernel.apparmor_restrict_unprivileged_userns) and bash.",
            tried.said,
        )
    leaks = {
        "read a file outside the workspace": tried.read_outside and not plan.reads_outside,
        "wrote into the workspace": tried.wrote_inside and not plan.writes_inside,
        "connected to the network": tried.connected and not plan.network,
    }
    found = [leak for leak, leaked in leaks.items() if leaked]
    if not found:
        return None
    return ConfinementError(
        f"The sandbox does not hold on this system: a command {', '.join(found)}. No prompt was sent.",
        "Run `codex-fusion doctor`, and report what it prints.",
        tried.said,
    )
