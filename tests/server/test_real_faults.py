"""What goes wrong around the real codex-acp: it is told, nothing is left, and the next consult works."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion.render import META_KEY
from tests.soak.residue import watchdogs
from tests.support import processes
from tests.support.raw_mcp import RawMcp
from tests.support.scripted_model import Gate, Run, Say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server.conftest import Real

LOG = logging.getLogger(__name__)
KILL, TERM = signal.SIGKILL, signal.SIGTERM
SO_FAR = "I begin to see"
SLEEP = "sleep 86399"
FINE = "Fine.\n\nVERDICT: CONSENSUS — fine"
ANEW = "→ Call again: it is started anew."
LOST = "Codex could not answer (connection): Connection to Codex was lost."


@dataclass(frozen=True)
class Told:
    """What Claude gets of a call."""

    text: str
    meta: dict[str, Any]

    def is_a_failure(self, *words: str) -> None:
        assert self.meta["status"] == "failed", self.text
        for word in words:
            assert word in self.text, self.text


@dataclass
class Scene:
    """A server with the real codex-acp, and the processes of both as the system lists them."""

    real: Real
    client: RawMcp

    @property
    def home(self) -> Path:
        return Path(self.real.environment["HOME"])

    def agents(self) -> dict[int, str]:
        """All processes but the server's own: codex-acp, Codex, what stands between, and its commands."""
        return {
            pid: words for pid, words in processes.of(self.home).items() if "codex_fusion.cli" not in words
        }

    def codex_acp(self) -> int:
        return self._pid(lambda words: words.startswith("node "))

    def codex(self) -> int:
        """Its app-server."""
        return self._pid(
            lambda words: words.partition(" ")[0].endswith("/bin/codex") and "app-server" in words
        )

    def _pid(self, fits: Callable[[str], bool]) -> int:
        (found,) = [pid for pid, words in self.agents().items() if fits(words)]
        return found

    def begins(self, *, command: bool) -> int:
        """A consult that wrote something, and then has a command running, or nothing to say for good."""
        self.real.model.script((Say(SO_FAR), Run(SLEEP) if command else Gate()))
        call = self.client.begin_tool("consult", question="the first question")
        if command:
            processes.until(self.home, lambda now: SLEEP in now.values())
        else:
            while SO_FAR not in str(self.client.receive()):
                pass
        return call

    def begins_outside(self) -> int:
        """A command that was allowed to run outside the sandbox, with a child of its own."""
        self.real.model.script((Say(SO_FAR), Run(f"{SLEEP}; true", "please")))
        assert self.tool("consult", question="q").meta["status"] == "permission"
        call = self.client.begin_tool("permit", decision="allow")
        processes.until(self.home, lambda now: SLEEP in now.values())
        return call

    def told(self, call: int) -> Told:
        result = self.client.until_response(call)[-1]["result"]
        return Told(result["content"][0]["text"], result["_meta"][META_KEY])

    def tool(self, name: str, **arguments: object) -> Told:
        return self.told(self.client.begin_tool(name, **arguments))

    def works(self) -> None:
        """The next consult is answered."""
        self.real.model.script(Say(FINE))
        told = self.tool("consult", question="And now?")
        assert told.text.startswith(FINE), told.text

    @contextmanager
    def ends(self, what: str, *, but: int | None = None) -> Iterator[None]:
        """What runs before is gone after, `but` for one, and its watchdog too. How long it took is logged."""
        before, began = self.agents().keys() - {but}, time.monotonic()
        yield
        told = time.monotonic() - began
        processes.until(self.home, lambda now: not before & now.keys())
        LOG.info("%s: told after %.2f s, all gone after %.2f s", what, told, time.monotonic() - began)
        processes.until(self.home, lambda _: not watchdogs(before))


@pytest.fixture
def scene(real: Real) -> Iterator[Scene]:
    with serving(real) as client:
        scene = Scene(real, client)
        yield scene
    processes.until(scene.home, lambda now: not now)


@contextmanager
def serving(real: Real, **more: str) -> Iterator[RawMcp]:
    with RawMcp(real.workspace, real.environment | more) as client:
        client.greet()
        yield client
        if client.process.poll() is None:
            client.hang_up()
            assert client.ended() == 0
        assert b"Traceback" not in client.stderr()


def test_an_agent_that_is_killed_in_mid_stream_or_while_it_waits_for_a_permit(scene: Scene) -> None:
    call = scene.begins(command=False)
    with scene.ends("agent killed in mid-stream"):
        os.kill(scene.codex_acp(), KILL)
        killed = "The agent was killed by signal 9 while it was asked for session/prompt."
        scene.told(call).is_a_failure(killed, ANEW, SO_FAR)
    scene.real.model.script((Say(SO_FAR), Run("touch made", "please")))
    assert scene.tool("consult", question="q").meta["status"] == "permission"
    with scene.ends("agent killed while a permission is open"):
        agent = scene.codex_acp()
        os.kill(agent, KILL)
        processes.until(scene.home, lambda now: agent not in now)
        scene.tool("permit", decision="allow").is_a_failure(killed, ANEW, SO_FAR)
    assert not (scene.real.workspace / "made").exists()
    scene.works()


def test_a_codex_that_is_killed_under_its_agent_is_told_and_started_anew(scene: Scene) -> None:
    call = scene.begins(command=True)
    with scene.ends("codex killed in mid-turn", but=scene.codex_acp()):
        os.kill(scene.codex(), KILL)
        remedy = "→ Codex's own process ended. Call again: the agent starts it anew."
        scene.told(call).is_a_failure(LOST, remedy, SO_FAR)
    scene.works()
    assert "the first question" in str(scene.real.model.requests[-1]["input"]), "the session goes on"
    os.kill(scene.codex(), KILL)
    scene.real.model.script(Run("touch made"), Say(FINE))
    told = scene.tool("consult", question="Are you there?")
    assert told.text.startswith(FINE), "he was asked again"
    assert not (scene.real.workspace / "made").exists(), "confined as before"


def test_an_agent_that_is_killed_below_a_wrapper_is_told_by_the_wrapper_s_exit_code(real: Real) -> None:
    wrapped = f"/bin/sh -c '\"$@\"; exit $?' sh {real.environment['CODEX_FUSION_ACP_COMMAND']}"
    with serving(real, CODEX_FUSION_ACP_COMMAND=wrapped) as client:
        scene = Scene(real, client)
        call = scene.begins(command=True)
        with scene.ends("agent killed below a wrapper"):
            os.kill(scene.codex_acp(), KILL)
            scene.told(call).is_a_failure("The agent ended with exit code 137 while", ANEW, SO_FAR)
        scene.works()


def test_however_a_server_ends_in_mid_turn_its_agent_and_the_command_end_and_the_next_server_works(
    real: Real,
) -> None:
    ends: dict[str, tuple[Callable[[RawMcp], None], int]] = {
        "server killed": (lambda client: client.process.send_signal(KILL), -KILL),
        "server terminated": (lambda client: client.process.send_signal(TERM), -TERM),
        "client hangs up": (lambda client: client.hang_up(), 0),
    }
    for what, (end, exit_code) in ends.items():
        with serving(real) as client:
            scene = Scene(real, client)
            if exit_code == -KILL:
                scene.begins_outside()
            else:
                scene.begins(command=True)
            with scene.ends(what):
                end(client)
                assert client.ended() == exit_code
    with serving(real) as client:
        Scene(real, client).works()


def test_a_model_that_hangs_for_good_is_ended_by_the_limit_with_the_text_so_far(scene: Scene) -> None:
    scene.works()
    scene.real.model.script((Say(SO_FAR), Gate()))
    told = scene.tool("consult", question="q", timeout_s=1)
    assert told.meta["status"] == "timeout"
    assert "The time limit of 1 s of active work was reached; Codex was last seen: writing." in told.text
    assert SO_FAR in told.text
    scene.works()
