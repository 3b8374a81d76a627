"""Where a workspace lies, what is opened ahead of time, how a session came to be: confined all the same."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest

from codex_fusion import confinement, surroundings
from codex_fusion.config import Allowances, Confinement
from codex_fusion.errors import ConfinementError
from codex_fusion.probe import judge, try_sandbox
from tests.support.bare_client import BareClient
from tests.support.guarded import (
    SECRET,
    Model,
    commit_all,
    config_of,
    environ_of,
    fill,
    git,
    guarded,
    place,
    side_by_side,
)
from tests.support.scripted_model import Patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.guarded import Outcomes, Place

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("anyio_backend")]


def _plain(here: Place) -> Path:
    return here.workspace


def _worktree(here: Place) -> Path:
    git(here.workspace, "worktree", "add", "-q", str(here.root / "tree"))
    return here.root / "tree"


def _worktree_of_a_bare_repository(here: Place) -> Path:
    git(here.root, "clone", "-q", "--bare", str(here.workspace), str(here.root / "bare.git"))
    git(here.root / "bare.git", "worktree", "add", "-q", str(here.root / "tree"))
    return here.root / "tree"


def _submodule(here: Place) -> Path:
    outer = here.root / "outer"
    fill(outer, {"x": ""})
    commit_all(outer)
    git(outer, "submodule", "add", "-q", str(here.workspace), "inner")
    return outer / "inner"


def _worktree_of_a_submodule(here: Place) -> Path:
    git(_submodule(here), "worktree", "add", "-q", str(here.root / "tree"), "-b", "other")
    return here.root / "tree"


def _subfolder(here: Place) -> Path:
    return here.workspace / "src"


def _subfolder_of_a_worktree(here: Place) -> Path:
    return _worktree(here) / "src"


def _by_a_symlink(here: Place) -> Path:
    (here.root / "link").symlink_to(here.workspace)
    return here.root / "link"


def _with_a_quote_in_its_name(here: Place) -> Path:
    return here.workspace.rename(here.root / """it's "ün" $HOME \\ .codex.d""")


def _of_another_owner(here: Place) -> Path:
    for path in (here.workspace, *here.workspace.rglob("*")):
        os.chown(path, 12345, 12345)
    return here.workspace


LAYOUTS: dict[str, Callable[[Place], Path]] = {
    layout.__name__.strip("_").replace("_", " "): layout
    for layout in (
        _plain,
        _worktree,
        _worktree_of_a_bare_repository,
        _submodule,
        _worktree_of_a_submodule,
        _subfolder,
        _subfolder_of_a_worktree,
        _by_a_symlink,
        _with_a_quote_in_its_name,
    )
}
if os.geteuid() == 0:  # only root can give a file away
    LAYOUTS["of another owner"] = _of_another_owner


async def _reviewed(codex_acp: Path, name: str) -> None:
    with place() as here:
        here.workspace = LAYOUTS[name](here)
        file = next(here.workspace.rglob("b.py"))
        with file.open("a", encoding="utf-8") as text:
            text.write("# changed\n")
        async with guarded(codex_acp, here) as session:
            outputs = await session.run(
                "git status --short -- .",
                "git diff -- .",
                "git log --oneline",
                f"cat {here.home}/.ssh/id",
                "touch new",
            )
            assert session.client.asked == []
        assert "b.py" in outputs[0]
        assert "+# changed" in outputs[1]
        assert "first" in outputs[2]
        assert SECRET not in outputs[3]
        assert "Read-only file system" in outputs[4]


@pytest.fixture(scope="module")
async def reviewed(codex_acp: Path) -> Outcomes:
    return await side_by_side({name: partial(_reviewed, codex_acp, name) for name in LAYOUTS})


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_review_needs_no_permission_in_a_workspace_that_is(reviewed: Outcomes, name: str) -> None:
    reviewed.of(name)


async def test_a_workspace_without_git_can_be_read(codex_acp: Path) -> None:
    with place(repository=False) as here:
        async with guarded(codex_acp, here) as session:
            assert await session.run("cat a.txt", f"cat {here.outside}/secret.txt") == [
                "one\ntwo\n",
                f"cat: {here.outside}/secret.txt: No such file or directory\n",
            ]


async def test_codexs_own_folder_in_the_workspace_stays_closed(codex_acp: Path) -> None:
    with place() as here:
        here.workspace = here.home  # who works in his home folder opens it, but not his login
        async with guarded(codex_acp, here, config_of(here, Allowances(writes=True))) as session:
            outputs = await session.run("cat .ssh/id", "cat .codex/auth.json", "echo x > .codex/config.toml")
        assert SECRET in outputs[0]
        assert SECRET not in outputs[1]
        assert not (here.codex_home / "config.toml").exists()


async def test_a_read_root_opens_that_folder_for_reading_only(codex_acp: Path) -> None:
    with place() as here:
        fill(here.root / "beside", {"x": SECRET})
        async with guarded(codex_acp, here, config_of(here, read_roots=(here.outside,))) as session:
            outputs = await session.run(
                "cat ../outside/secret.txt", "cat ../beside/x", "echo x > ../outside/secret.txt"
            )
        assert SECRET in outputs[0]
        assert SECRET not in outputs[1]
        assert (here.outside / "secret.txt").read_text(encoding="utf-8") == SECRET + "\n"


COMBINATIONS = {
    f"{confined}, reads {reads}, writes {writes}, commands {commands}": (
        confined,
        Allowances(external_reads=reads, writes=writes, commands=commands),
    )
    for confined, reads, writes, commands in product(
        (Confinement.STRICT, Confinement.READ_ONLY), (False, True), (False, True), (False, True)
    )
    # What `commands` opens is the policy's: one run with it in each confinement shows that the sandbox stays.
    if not commands or (reads, writes) == (False, False)
}


async def _opened(codex_acp: Path, name: str) -> None:
    confined, allow = COMBINATIONS[name]
    with place() as here, socket.create_server(("127.0.0.1", 0)) as server:
        before = here.snapshot()
        port = server.getsockname()[1]
        async with guarded(codex_acp, here, config_of(here, allow, confined)) as session:
            assert session.mode == session.plan.mode
            patch = "*** Begin Patch\n*** Add File: patched.txt\n+x\n*** End Patch"
            outputs = await session.run(
                f"cat {here.outside}/secret.txt",
                "echo x > new.txt && echo WROTE",
                f"(exec 3<>/dev/tcp/127.0.0.1/{port}) && echo CONNECTED",
                f"echo x > {here.outside}/new; echo x > .git/hooks/pre-commit; mkdir -p .codex; "
                f"echo x > .codex/config.toml; cat {here.codex_home}/auth.json; git config a.b c",
                "env",
            )
            tools = {tool.get("name") or tool["type"] for tool in session.model.requests[0]["tools"]}
            assert session.client.asked == []
            await session.turn(Patch(patch))
            assert judge(session.plan, try_sandbox(session.plan, session.around)) is None
        reads = allow.external_reads or confined is Confinement.READ_ONLY
        assert (SECRET in outputs[0]) is reads is session.plan.reads_outside
        assert ("WROTE" in outputs[1]) is allow.writes is session.plan.writes_inside
        assert ("CONNECTED" in outputs[2]) is allow.external_reads is session.plan.network
        assert (SECRET in outputs[3]) is (
            reads and not allow.external_reads
        )  # his login, never with a network
        assert "CANARY" not in outputs[4]
        assert ("web_search" in tools) is allow.external_reads
        assert len(session.client.asked) == (0 if allow.writes else 1)
        new = {"workspace/new.txt", "workspace/patched.txt"} if allow.writes else set()
        assert here.snapshot().keys() - before.keys() == new
        assert {name: what for name, what in here.snapshot().items() if name not in new} == before


@pytest.fixture(scope="module")
async def opened(codex_acp: Path) -> Outcomes:
    return await side_by_side({name: partial(_opened, codex_acp, name) for name in COMBINATIONS})


@pytest.mark.parametrize("name", COMBINATIONS)
def test_each_allowance_opens_its_own_category_and_no_other(opened: Outcomes, name: str) -> None:
    opened.of(name)


async def test_the_users_files_do_not_change_when_writing_is_allowed(codex_acp: Path) -> None:
    with place(codex_files={"config.toml": 'model = "gpt-5.5"\n'}) as here:
        async with guarded(codex_acp, here, config_of(here, Allowances(writes=True))) as session:
            await session.run("touch x")
        # Where a session may write, codex would note the folder as trusted.
        assert (here.codex_home / "config.toml").read_text(encoding="utf-8") == 'model = "gpt-5.5"\n'


async def test_forked_resumed_and_loaded_sessions_are_confined_like_the_first(codex_acp: Path) -> None:
    with place({".codex/config.toml": '[mcp_servers.evil]\ncommand = "touch"\nargs = ["pwned"]\n'}) as here:
        async with guarded(codex_acp, here) as session:
            await session.run("cat a.txt")
            first = session.session
            cwd = str(here.workspace)
            for method, parameters in (
                ("fork", {"sessionId": first}),
                ("new", {}),
                ("resume", {"sessionId": first}),
                ("load", {"sessionId": first}),
            ):
                if method in {"resume", "load"}:
                    await session.client.call("session/close", {"sessionId": first})
                session.session, mode = await session.client.open(method, cwd=cwd, **parameters)
                assert confinement.check(session.plan, mode) is None, method
                outputs = await session.run(f"cat {here.home}/.ssh/id", "touch new")
                assert SECRET not in outputs[0], method
                assert "Read-only file system" in outputs[1], method
                assert "No such file" in outputs[0], method
            assert session.client.asked == []
            assert not (here.workspace / "pwned").exists()
            # In a new process, with another profile name.
        async with guarded(codex_acp, here) as again:
            again.session, mode = await again.client.open("resume", cwd=cwd, sessionId=first)
            assert confinement.check(again.plan, mode) is None
            outputs = await again.run(f"cat {here.home}/.ssh/id", "touch new")
            assert "No such file" in outputs[0]
            assert "Read-only file system" in outputs[1]


async def test_an_agent_that_does_not_know_the_mode_is_found_out(codex_acp: Path) -> None:
    with place() as here:
        async with guarded(codex_acp, here) as session:
            environment = {**session.plan.environment, "CODEX_PATH": str(session.around.facts.codex[0])}  # type: ignore[index]
            async with BareClient((str(codex_acp),), environment, here.root) as client:
                _, mode = await client.open("new", cwd=str(here.workspace))
            error = confinement.check(session.plan, mode)
        assert isinstance(error, ConfinementError)
        assert "'agent'" in str(error)


def test_a_system_that_cannot_sandbox_is_found_out(codex_acp: Path) -> None:
    with place() as here, Model() as model:
        environ = environ_of(here, model)
        around = surroundings.survey(config_of(here), (str(codex_acp),), environ)
        try:
            plan = confinement.plan(config_of(here), around.facts, environ)
            codex = around.facts.codex
            assert codex is not None
            # A container without user namespaces: Codex's own bubblewrap can make one.
            (bwrap,) = (
                file
                for folder in around.facts.codex_folders
                for file in folder.rglob("codex-resources/bwrap")
            )
            nowhere = (
                str(bwrap),
                "--unshare-user",
                "--disable-userns",
                "--bind",
                "/",
                "/",
                "--proc",
                "/proc",
            )
            inside = replace(around, facts=replace(around.facts, codex=(*nowhere, *codex)))
            assert try_sandbox(plan, around).ran
            tried = try_sandbox(plan, inside)
            error = judge(plan, tried)
        finally:
            around.remove()
    assert not tried.ran
    assert error is not None
    assert "can't sandbox" in str(error)
    assert "namespace" in error.stderr


async def test_the_agents_environment_holds_no_key_of_claudes(codex_acp: Path) -> None:
    with place() as here:
        async with guarded(codex_acp, here) as session:
            names = set(session.plan.environment)
        assert "OPENAI_API_KEY" in names
        assert not {name for name in names if name.startswith(("ANTHROPIC", "CLAUDE"))}
        assert {name for name in names if name.startswith("CODEX_FUSION")} == {"CODEX_FUSION_LAUNCH"}
