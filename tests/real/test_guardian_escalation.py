"""Out of the sandbox: Claude is asked for each step, by name and with Codex's reason, and nothing stands."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.bare_client import ALLOW, REJECT
from tests.support.guarded import SECRET, Place, guarded, place
from tests.support.scripted_model import Call, Patch, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.guarded import Guarded

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("anyio_backend")]
REASON = "may I, please?"


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(scope="module")
async def session(codex_acp: Path, here: Place) -> AsyncIterator[Guarded]:
    async with guarded(codex_acp, here) as open_session:
        yield open_session


@pytest.fixture(autouse=True)
def _forget(session: Guarded) -> None:
    session.client.asked.clear()


async def test_it_is_asked_with_the_command_its_folder_and_the_reason(session: Guarded, here: Place) -> None:
    await session.turn(Run(f"touch {here.mark}", escalate=REASON), answer=REJECT)
    (request,) = session.client.asked
    assert request["toolCall"]["rawInput"]["command"] == f"touch {here.mark}"
    assert request["toolCall"]["rawInput"]["cwd"] == str(here.workspace)
    assert REASON in str(request["_meta"])
    assert here.marks() == []


async def test_an_allowed_one_runs_outside_and_the_next_is_asked_again(session: Guarded, here: Place) -> None:
    read = f"cat {here.outside}/secret.txt"
    outputs = await session.turn(Run(read, escalate=REASON), Run(read, escalate=REASON), answer=ALLOW)
    assert outputs == [SECRET + "\n"] * 2
    assert len(session.client.asked) == 2


async def test_after_an_allow_the_same_command_is_still_confined(session: Guarded, here: Place) -> None:
    read = f"cat {here.outside}/secret.txt"
    outputs = await session.turn(Run(read, escalate=REASON), Run(read), answer=ALLOW)
    assert SECRET not in outputs[1]
    assert len(session.client.asked) == 1


async def test_an_allowed_one_has_the_network(session: Guarded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]} && echo CONNECTED"
        assert await session.turn(Run(connect, escalate=REASON), answer=ALLOW) == ["CONNECTED\n"]


async def test_an_escalated_command_sees_no_key_either(session: Guarded) -> None:
    (output,) = await session.turn(Run("env", escalate=REASON), answer=ALLOW)
    assert "PATH=" in output
    for word in ("CANARY", "KEY=", "CODEX_CONFIG=", "CODEX_FUSION", "GIT_DIR="):
        assert word not in output


@pytest.mark.parametrize(
    "arguments",
    [
        {"sandbox_permissions": "require_escalated"},
        {"sandbox_permissions": "require_escalated", "justification": "x", "prefix_rule": ["touch"]},
        {"sandbox_permissions": "with_additional_permissions", "justification": "x"},
        {"sandbox_permissions": "danger-full-access", "justification": "x"},
        {"sandbox_permissions": "require_escalated", "justification": "x", "login": True},
        {"with_escalated_permissions": True, "justification": "x"},
        {"sandbox_permissions": "require_escalated", "justification": "x", "shell": "/bin/sh"},
        {"sandbox_permissions": "require_escalated", "justification": "x", "workdir": "/"},
        {"sandbox_permissions": "require_escalated", "justification": "x", "tty": True},
    ],
    ids=str,
)
async def test_no_form_of_asking_gets_out_without_a_yes(
    session: Guarded, here: Place, arguments: dict[str, object]
) -> None:
    await session.turn(Call("exec_command", {"cmd": f"touch {here.mark}", **arguments}), answer=REJECT)
    assert here.marks() == []


async def test_two_at_once_are_two_requests(session: Guarded, here: Place) -> None:
    session.client.answer = REJECT
    session.model.script((Run(f"touch {here.mark}1", escalate="a"), Run(f"touch {here.mark}2", escalate="b")))
    await session.turn()
    assert len(session.client.asked) in {1, 2}  # the first no ends the turn, and may take the second along
    assert here.marks() == []


async def test_what_is_typed_into_an_escalated_command_is_asked_too(session: Guarded, here: Place) -> None:
    shell = {"cmd": "sh", "sandbox_permissions": "require_escalated", "justification": "x", "tty": True}
    (started,) = await session.turn(Call("exec_command", {**shell, "yield_time_ms": 300}), answer=ALLOW)
    assert len(session.client.asked) == 1
    running = re.search(r"session ID (\d+)", str(session.model.requests[-1]["input"]))
    assert running, started
    typed = {"session_id": int(running[1]), "chars": f"touch {here.mark}\n", "yield_time_ms": 300}
    await session.turn(Call("write_stdin", typed), answer=REJECT)
    assert len(session.client.asked) == 2
    assert here.marks() == []


async def test_an_allowed_patch_is_written_and_the_next_is_asked(session: Guarded, here: Place) -> None:
    patch = "*** Begin Patch\n*** Add File: {}\n+x\n*** End Patch"
    await session.turn(Patch(patch.format("one.txt")), Patch(patch.format("two.txt")), answer=ALLOW)
    assert len(session.client.asked) == 2
    assert (here.workspace / "two.txt").exists()
    assert "Editing" in str(session.client.asked) or "Edit" in str(session.client.asked)


async def test_permissions_cannot_be_asked_for_by_a_tool(session: Guarded, here: Place) -> None:
    wanted = {"file_system": {"write": [str(here.root)]}, "network": {"enabled": True}}
    await session.turn(
        Call("request_permissions", {"permissions": wanted, "reason": "x"}),
        Run(f"touch {here.mark}"),
        answer=ALLOW,
    )
    assert here.marks() == []
