from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion import codex_install, repository
from codex_fusion.config import Config
from codex_fusion.confinement import plan
from codex_fusion.probe import Tried, judge
from codex_fusion.surroundings import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_fusion.facts import Facts

GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run((*GIT, *arguments), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "repo"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/x").write_text("x", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return folder


def test_a_repository_in_the_workspace_needs_nothing_outside(repo: Path) -> None:
    assert repository.find(repo) == repository.Repository(repo)


def test_a_subfolder_needs_the_git_folder_above(repo: Path) -> None:
    assert repository.find(repo / "sub").folders == (repo / ".git",)


def test_without_a_repository_there_is_none() -> None:
    assert repository.find(Path("/")) == repository.Repository()


def test_a_worktree_needs_the_repository_it_came_from(repo: Path) -> None:
    git(repo, "worktree", "add", "-q", "../tree")
    tree = repo.parent / "tree"
    assert repository.find(tree).folders == (repo / ".git",)
    assert repository.find(tree / "sub").folders == (tree / ".git", repo / ".git")


def test_a_submodule_needs_its_folder_in_the_outer_repository(repo: Path) -> None:
    outer = repo.parent / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "add", "-q", str(repo), "in/ner")
    assert repository.find(outer / "in/ner").folders == (outer / ".git/modules/in/ner",)
    assert repository.find(outer).folders == ()


def test_a_git_folder_that_does_not_name_the_workspace_stays_closed(repo: Path) -> None:
    git(repo, "worktree", "add", "-q", "../tree")
    thief = repo.parent / "thief"
    thief.mkdir()
    for named in (
        repo / ".git",
        repo / ".git/worktrees/tree",
        repo.parent,
        Path("/"),
        repo.parent / "nowhere",
    ):
        (thief / ".git").write_text(f"gitdir: {named}\n", encoding="utf-8")
        found = repository.find(thief)
        assert found.folders == ()
        assert found.unverified == named


def test_a_crafted_git_folder_inside_the_workspace_opens_nothing_outside(repo: Path) -> None:
    thief = repo.parent / "thief"
    inner = thief / "g/worktrees/w"
    inner.mkdir(parents=True)
    (inner / "gitdir").write_text(str(thief / ".git"), encoding="utf-8")
    (inner / "commondir").write_text(str(repo / ".git"), encoding="utf-8")
    (inner / "config").write_text(f"[core]\nworktree = {thief}\n", encoding="utf-8")
    (thief / ".git").write_text("gitdir: g/worktrees/w\n", encoding="utf-8")
    assert repository.find(thief) == repository.Repository(thief)


def test_a_git_link_opens_nothing(repo: Path) -> None:
    thief = repo.parent / "thief"
    thief.mkdir()
    (thief / ".git").symlink_to(repo / ".git")
    assert repository.find(thief).folders == ()


@pytest.mark.parametrize("text", ["", "gitdir:", "nonsense", "x gitdir: /"])
def test_a_git_file_that_says_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text, encoding="utf-8")
    assert repository.find(tmp_path.resolve()).folders == ()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert repository.find(tmp_path.resolve()).folders == ()


def install(root: Path, *, pnpm: bool = False) -> Path:
    """An installation of codex-acp as npm or pnpm lays it out; returns the command."""
    modules = root / "node_modules"
    store = {
        name: modules / name
        for name in ("@agentclientprotocol/codex-acp", "@openai/codex", "@openai/codex-x")
    }
    if pnpm:
        store = {name: modules / ".pnpm" / name.replace("/", "+") / "node_modules" / name for name in store}
    for folder in store.values():
        folder.mkdir(parents=True)
    acp, codex, native = store.values()
    if pnpm:
        (acp.parents[1] / "@openai").mkdir()
        (acp.parents[1] / "@openai/codex").symlink_to(codex)
        (codex.parent / "codex-x").symlink_to(native)
    for file in (acp / "index.js", codex / "bin/codex.js", native / "vendor/arch/bin/codex"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="utf-8")
        file.chmod(0o755)
    (codex / "package.json").write_text("{}", encoding="utf-8")
    (modules / ".bin").mkdir()
    (modules / ".bin/codex-acp").symlink_to(acp / "index.js")
    return modules / ".bin/codex-acp"


@pytest.mark.parametrize("pnpm", [False, True])
def test_codex_is_found_beside_codex_acp_however_it_was_installed(tmp_path: Path, *, pnpm: bool) -> None:
    tool = install(tmp_path.resolve(), pnpm=pnpm)
    for argv, environ in (
        ((str(tool),), {}),
        (("codex-acp",), {"PATH": str(tool.parent)}),
        (("sh", str(tool)), {"PATH": os.environ["PATH"]}),
    ):
        found = codex_install.find(argv, environ)
        assert found.command is not None
        assert found.command[0].endswith("vendor/arch/bin/codex")
        assert len(found.folders) == 2
        assert any(Path(found.command[0]).is_relative_to(folder) for folder in found.folders)


def test_without_a_native_binary_the_script_is_run(tmp_path: Path) -> None:
    tool = install(tmp_path.resolve())
    next(tmp_path.rglob("vendor/arch/bin/codex")).unlink()
    command = codex_install.find((str(tool),), {}).command
    assert command is not None
    assert command[0].endswith("@openai/codex/bin/codex.js")


def test_the_users_own_codex_is_run_as_he_named_it(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    install(root)
    script = root / "node_modules/@openai/codex/bin/codex.js"
    (root / "mine").symlink_to(script)
    found = codex_install.find(("x",), {"CODEX_PATH": str(root / "mine")})
    assert found.command == (str(root / "mine"),)
    assert script.parents[1] in found.folders
    alone = root / "alone"
    alone.write_text("", encoding="utf-8")
    assert codex_install.find(("x",), {"CODEX_PATH": str(alone)}).folders == (alone,)


def test_a_standalone_codex_brings_its_resources(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "release"
    (root / "bin").mkdir(parents=True)
    (root / "codex-package.json").write_text("{}", encoding="utf-8")
    (root / "bin/codex").write_text("", encoding="utf-8")
    assert codex_install.find(("x",), {"CODEX_PATH": str(root / "bin/codex")}).folders == (root,)


def test_the_version_is_what_the_installation_names(tmp_path: Path) -> None:
    tool = install(tmp_path.resolve())
    folders = codex_install.find((str(tool),), {}).folders
    assert codex_install.version(folders) == ""
    (folders[0] / "package.json").write_text('{"version": "1.2.3"}', encoding="utf-8")
    assert codex_install.version(folders) == "1.2.3"
    for nonsense in ("[]", "{", '{"version": 3}'):
        (folders[0] / "package.json").write_text(nonsense, encoding="utf-8")
        assert codex_install.version(folders) == ""


def test_by_npx_the_launcher_looks_where_npx_puts_it() -> None:
    found = codex_install.find(("/usr/bin/npx", "-y", "x"), {"HOME": "/h", "PATH": ""})
    assert found == codex_install.Codex(None, (Path("/h/.npm/_npx"),), Path("/h/.npm/_npx"))
    found = codex_install.find(("npx",), {"npm_config_cache": "/c", "PATH": ""})
    assert found.search == Path("/c/_npx")


def test_another_agent_has_no_codex() -> None:
    assert codex_install.find(("some-agent",), {"PATH": ""}) == codex_install.Codex()
    assert codex_install.find((), {}) == codex_install.Codex()


@pytest.fixture
def facts(repo: Path) -> Iterator[Facts]:
    home = repo.parent / "home"
    (home / ".codex/rules").mkdir(parents=True)
    (home / ".codex/rules/a.rules").write_text("", encoding="utf-8")
    (home / ".codex/config.toml").write_text(
        '[mcp_servers.mine]\ncommand = "x"\n[model_providers.p]\nenv_key = "MY_KEY"\n', encoding="utf-8"
    )
    for folder in (repo, repo / "sub"):
        (folder / ".codex").mkdir()
        (folder / ".codex/config.toml").write_text('[mcp_servers."e.v"]\nurl = "x"\n', encoding="utf-8")
    (repo / ".codex/b.toml").write_text("[", encoding="utf-8")
    (repo / ".codex/deep.toml").write_text("x = " + "[" * 5000, encoding="utf-8")
    os.mkfifo(repo / ".codex/pipe.toml")
    (repo / ".codex/link.toml").symlink_to("nowhere")
    (repo / "AGENTS.md").write_text("", encoding="utf-8")
    around = survey(Config(repo / "sub"), ("agent",), {"HOME": str(home), "PATH": ""})
    yield around.facts
    around.remove()
    assert not around.folder.exists()


def test_every_layer_from_the_repositorys_root_down_is_read(facts: Facts, repo: Path) -> None:
    found = {str(layer.path.relative_to(repo)): layer for layer in facts.workspace_layers}
    assert found.keys() >= {".codex/config.toml", "sub/.codex/config.toml"}
    assert found["sub/.codex/config.toml"].servers == ("e.v",)
    assert "no valid TOML" in found[".codex/b.toml"].problem
    assert found[".codex/deep.toml"].problem
    assert found[".codex/pipe.toml"].problem == "is no ordinary file"
    assert found[".codex/link.toml"].problem
    assert facts.workspace_files == (str(repo / "AGENTS.md"),)


def test_the_users_layers_and_rules_are_read(facts: Facts) -> None:
    (layer,) = [layer for layer in facts.user_layers if layer.path.is_relative_to(facts.codex_home)]
    assert (layer.servers, layer.provider_variables) == (("mine",), ("MY_KEY",))
    assert [file.name for file in facts.user_rules] == ["a.rules"]


def test_each_start_has_a_name_of_its_own(repo: Path) -> None:
    names = set()
    for _ in range(3):
        around = survey(Config(repo), ("agent",), {"HOME": str(repo.parent), "PATH": ""})
        names.add(around.facts.profile)
        around.remove()
    assert len(names) == 3
    assert all(len(name) >= 24 and name.isalnum() for name in names)


def test_rules_that_appear_later_make_it_stale(repo: Path) -> None:
    environ = {"HOME": str(repo.parent), "PATH": ""}
    around = survey(Config(repo), ("agent",), environ)
    assert not around.stale()
    rules = repo.parent / ".codex/rules"
    rules.mkdir(parents=True)
    (rules / "default.rules").write_text("", encoding="utf-8")
    assert around.stale()
    around.remove()
    around = survey(Config(repo), ("agent",), environ)
    assert not around.stale()
    around.remove()


def test_a_workspace_behind_a_link_is_known_by_its_real_name(repo: Path) -> None:
    (repo.parent / "link").symlink_to(repo)
    around = survey(Config(repo.parent / "link"), ("agent",), {"HOME": "/", "PATH": ""})
    assert around.facts.workspace == repo
    around.remove()


def test_the_launcher_may_be_run_by_its_owner_alone(facts: Facts) -> None:
    assert facts.launcher.stat().st_mode & 0o777 == 0o700
    assert (
        json.loads(plan(Config(facts.workspace), facts, {}).environment["CODEX_FUSION_LAUNCH"])["codex"]
        is None
    )


SOUND = Tried(ran=True, read_outside=False, wrote_inside=False, connected=False, said="")


@pytest.mark.parametrize(
    ("tried", "word"),
    [
        (
            Tried(ran=False, read_outside=False, wrote_inside=False, connected=False, said="bwrap: no"),
            "can't sandbox",
        ),
        (Tried(ran=True, read_outside=True, wrote_inside=False, connected=False, said=""), "read a file"),
        (Tried(ran=True, read_outside=False, wrote_inside=True, connected=False, said=""), "wrote into"),
        (Tried(ran=True, read_outside=False, wrote_inside=False, connected=True, said=""), "connected"),
    ],
)
def test_a_sandbox_that_does_not_hold_is_refused(facts: Facts, tried: Tried, word: str) -> None:
    made = plan(Config(facts.workspace), facts, {})
    error = judge(made, tried)
    assert error is not None
    assert word in str(error)
    assert judge(made, SOUND) is None
