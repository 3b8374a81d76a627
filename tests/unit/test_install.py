from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_fusion.errors import FusionError
from codex_fusion.install import PINNED, data_folder, install, installed_command

if TYPE_CHECKING:
    from collections.abc import Callable

NPM = "/usr/bin/npm"


def npm_found(_: str) -> str | None:
    return NPM


def npm_missing(_: str) -> str | None:
    return None


def put_package(modules: Path, name: str, version: str) -> None:
    folder = modules / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))


class Npm:
    """What `install` runs: npm, which lays out the files that the real one does, and then codex-acp."""

    def __init__(
        self,
        codex_acp: str = "2.6.0",
        codex: str = "0.166.0",
        platform_package: str | None = "@openai/codex-linux-x64",
        failure: str | None = None,
    ) -> None:
        self.codex_acp = codex_acp
        self.codex = codex
        self.platform_package = platform_package
        self.failure = failure
        self.installs: list[tuple[str, ...]] = []
        self.answers: list[str] = []
        """What codex-acp says to --version, first to last; after them, what it should."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens while npm is running."""

    def __call__(self, argv: tuple[str, ...], _limit_s: float) -> subprocess.CompletedProcess[str]:
        if argv[0] != NPM:
            answer = self.answers.pop(0) if self.answers else "@agentclientprotocol/codex-acp 2.6.0\n"
            return subprocess.CompletedProcess(argv, 0, answer)
        self.installs.append(argv)
        if self.failure is not None:
            return subprocess.CompletedProcess(argv, 1, self.failure)
        modules = Path(argv[argv.index("--prefix") + 1]) / "node_modules"
        put_package(modules, "@agentclientprotocol/codex-acp", self.codex_acp)
        put_package(modules, "@openai/codex", self.codex)
        if self.platform_package:
            put_package(modules, self.platform_package, self.codex)
        (modules / ".bin").mkdir()
        (modules / ".bin" / "codex-acp").touch()
        (modules / ".bin" / "codex-acp.cmd").touch()
        self.meanwhile()
        return subprocess.CompletedProcess(argv, 0, "added 25 packages\n")


def explain(folder: Path, npm: Npm, which: Callable[[str], str | None] = npm_found) -> str:
    with pytest.raises(FusionError) as caught:
        install(folder, run=npm, which=which)
    assert caught.value.remedy
    return caught.value.explain()


def test_nothing_is_installed_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert installed_command(tmp_path / "missing") is None


def test_an_installation_is_found_afterwards_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    command = install(folder, run=Npm(), which=npm_found)
    assert command == installed_command(folder)
    assert [child.name for child in folder.iterdir()] == ["codex-acp-2.6.0"]


def test_npm_is_asked_for_both_pinned_versions_and_runs_no_scripts(tmp_path: Path) -> None:
    npm = Npm()
    install(tmp_path, run=npm, which=npm_found)
    assert npm.installs[0][-2:] == PINNED
    assert PINNED == ("@agentclientprotocol/codex-acp@2.6.0", "@openai/codex@0.166.0")
    assert "--ignore-scripts" in npm.installs[0]


def test_what_is_installed_and_answers_is_kept(tmp_path: Path) -> None:
    npm = Npm()
    first = install(tmp_path, run=npm, which=npm_found)
    assert install(tmp_path, run=npm, which=npm_missing) == first
    assert len(npm.installs) == 1


@pytest.mark.parametrize("answer", ["", "@agentclientprotocol/codex-acp 2.5.0", "12.6.0"])
def test_what_is_installed_but_does_not_answer_is_replaced(tmp_path: Path, answer: str) -> None:
    npm = Npm()
    first = install(tmp_path, run=npm, which=npm_found)
    left_over = first.parent / "left-over"
    left_over.touch()
    npm.answers = [answer]
    assert install(tmp_path, run=npm, which=npm_found) == first
    assert not left_over.exists()
    assert [child.name for child in tmp_path.iterdir()] == ["codex-acp-2.6.0"]


def test_half_an_installation_is_not_taken_for_one_and_is_replaced(tmp_path: Path) -> None:
    put_package(tmp_path / "codex-acp-2.6.0" / "node_modules", "@agentclientprotocol/codex-acp", "2.6.0")
    assert installed_command(tmp_path) is None
    assert install(tmp_path, run=Npm(), which=npm_found) == installed_command(tmp_path)


@pytest.mark.parametrize("described", ["", "[]", '{"version": 3}', "\ufffd{"])
def test_a_package_that_cannot_be_read_is_not_installed(tmp_path: Path, described: str) -> None:
    command = install(tmp_path, run=Npm(), which=npm_found)
    (command.parent.parent / "@openai" / "codex" / "package.json").write_text(described, encoding="utf-8")
    assert installed_command(tmp_path) is None


def test_of_two_runs_at_once_the_first_to_be_ready_wins_and_both_succeed(tmp_path: Path) -> None:
    npm, other = Npm(), Npm()

    def the_other_run() -> None:
        (install(tmp_path, run=other, which=npm_found).parent / "of the other").touch()

    npm.meanwhile = the_other_run
    command = install(tmp_path, run=npm, which=npm_found)
    assert (command.parent / "of the other").exists()
    assert [child.name for child in tmp_path.iterdir()] == ["codex-acp-2.6.0"]


def test_a_failure_of_npm_leaves_nothing_behind(tmp_path: Path) -> None:
    explain(tmp_path, Npm(failure="npm error code E500"))
    assert list(tmp_path.iterdir()) == []


def test_without_npm_the_error_says_what_to_install(tmp_path: Path) -> None:
    said = explain(tmp_path, Npm(), npm_missing)
    assert "npm was not found" in said
    assert "Node.js" in said


def test_a_failure_of_npm_is_told_with_its_last_lines_and_without_its_advertisements(tmp_path: Path) -> None:
    noise = "\n".join(f"line {n}" for n in range(50))
    said = explain(tmp_path, Npm(failure=f"{noise}\nnpm error code E500\n\nnpm notice New version!\n"))
    assert "line 49\nnpm error code E500\n→" in said
    assert "line 5\n" not in said
    assert "New version" not in said
    assert "@agentclientprotocol/codex-acp@2.6.0" in said


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("npm error code ENOSPC", "disk space"),
        ("npm error code EACCES", "writable"),
        ("npm error code ENOTFOUND", "network"),
        ("npm error something new", "by hand"),
        ("", "by hand"),
    ],
)
def test_the_remedy_fits_the_failure_of_npm(tmp_path: Path, output: str, remedy: str) -> None:
    assert remedy in explain(tmp_path, Npm(failure=output)).rpartition("→")[2]


@pytest.mark.parametrize("npm", [Npm(platform_package=None), Npm(codex_acp="2.6.1"), Npm(codex="0.166.1")])
def test_a_success_of_npm_that_is_not_whole_is_an_error(tmp_path: Path, npm: Npm) -> None:
    assert "not whole" in explain(tmp_path, npm)
    assert installed_command(tmp_path) is None


def test_a_codex_acp_that_does_not_answer_is_not_installed(tmp_path: Path) -> None:
    npm = Npm()
    npm.answers = ["SyntaxError: Unexpected token"]
    assert "does not answer" in explain(tmp_path, npm)
    assert installed_command(tmp_path) is None


def test_an_npm_that_never_ends_is_an_error(tmp_path: Path) -> None:
    def never_ends(argv: tuple[str, ...], limit_s: float) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(argv, limit_s)

    with pytest.raises(FusionError, match="after 600 s"):
        install(tmp_path, run=never_ends, which=npm_found)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file" / "data") in explain(tmp_path / "file" / "data", Npm())


def test_the_data_folder_is_the_users(tmp_path: Path) -> None:
    home = str(tmp_path)
    named = str(tmp_path / "xdg")
    assert data_folder({"HOME": home}, windows=False) == tmp_path / ".local/share/codex-fusion"
    assert data_folder({"HOME": home, "XDG_DATA_HOME": named}, windows=False) == tmp_path / "xdg/codex-fusion"
    assert data_folder({"LOCALAPPDATA": named}, windows=True) == tmp_path / "xdg/codex-fusion"
    assert data_folder({"HOME": home}, windows=True) == tmp_path / "AppData/Local/codex-fusion"


@pytest.mark.parametrize("ignored", ["", "relative/folder"])
def test_an_xdg_folder_that_is_not_absolute_is_ignored(tmp_path: Path, ignored: str) -> None:
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": ignored}
    assert data_folder(environ, windows=False) == tmp_path / ".local/share/codex-fusion"
