"""The command line: what is typed, what comes of it, and what a start does not import."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from codex_fusion import cli, commands, config
from codex_fusion.errors import CallError
from tests.support.waiting import LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from codex_fusion.ask import Question


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def ended(*arguments: str) -> int:
    """The exit code."""
    try:
        return cli.main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


def asked(*arguments: str, stdin: str = "from stdin") -> Question:
    options = commands._parser().parse_args(["ask", *arguments])  # noqa: SLF001 the seam between text and call
    return commands.question(options, lambda: stdin)


@pytest.mark.parametrize("given", ["help", "--help", "-h"])
def test_the_help_names_each_command_and_each_variable(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(given) == 0
    said = capsys.readouterr().out
    for name in ("serve", "setup", "doctor", "demo", "ask", "log", "hook"):
        assert f"\n    {name} " in said
    for variable in config.VARIABLES:
        assert f"{variable.name} " in said


@pytest.mark.parametrize("name", ["serve", "setup", "doctor", "demo", "ask", "log", "hook"])
def test_each_command_has_a_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(name, "--help") == 0
    assert f"usage: codex-fusion {name}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("--version") == 0
    assert capsys.readouterr().out.startswith("codex-fusion ")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["dance"], "invalid choice: 'dance'"),
        (["doctor", "--yaml"], "unrecognized arguments: --yaml"),
        (["log", "--html"], "--html needs the ID"),
        (["ask"], "`question` is missing"),
        (["ask", "q", "--base", "main"], "unknown argument `base`"),
        (["ask", "--tool", "review_diff", "--base", "a", "--commit", "b"], "contradictory"),
        (["ask", "-", "--context", "-"], "only one"),
        (["ask", "q", "--timeout", "soon"], "invalid float"),
    ],
)
def test_wrong_arguments_end_with_2_and_say_what_is_wrong(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*given) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_a_configuration_that_means_nothing_ends_with_1_and_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODEX_FUSION_CONFINEMENT", "none")
    for command in (["doctor"], ["ask", "q"]):
        assert ended(*command) == 1
        assert "CODEX_FUSION_CONFINEMENT='none'" in capsys.readouterr().err


def test_the_log_of_nothing_says_so_and_an_unknown_id_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("log") == 0
    assert capsys.readouterr().out == "No debate is kept yet.\n"
    assert ended("log", "2026") == 1
    assert "There is no debate '2026'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "tool", "arguments"),
    [
        (["Why?"], "consult", {"question": "Why?"}),
        (["Why?", "--context", "c"], "consult", {"question": "Why?", "context": "c"}),
        (["Why?", "--context", "-"], "consult", {"question": "Why?", "context": "from stdin"}),
        (["-", "--timeout", "5"], "consult", {"question": "from stdin", "timeout_s": 5.0}),
        (["--tool", "review_plan", "-"], "review_plan", {"plan": "from stdin"}),
        (["--tool", "review_diff"], "review_diff", {}),
        (["--tool", "review_diff", "--base", "main"], "review_diff", {"base": "main"}),
        (
            ["--tool", "review_diff", "--commit", "HEAD", "--path", "a", "--path", "b", "Look at locks"],
            "review_diff",
            {"commit": "HEAD", "paths": ["a", "b"], "instructions": "Look at locks"},
        ),
        (["--tool", "review_diff", "--diff", "-"], "review_diff", {"diff": "from stdin"}),
        (
            ["--tool", "brainstorm", "p", "--constraints", "no new process"],
            "brainstorm",
            {"problem": "p", "constraints": "no new process"},
        ),
        (["--tool", "explore"], "explore", {}),
        (
            ["--tool", "explore", "the flow", "--path", "src"],
            "explore",
            {"focus": "the flow", "paths": ["src"]},
        ),
    ],
)
def test_the_options_of_ask_become_one_call(
    given: list[str], tool: str, arguments: dict[str, object]
) -> None:
    question = asked(*given)
    assert (question.tool, question.arguments) == (tool, arguments)


def test_nothing_on_stdin_is_no_question() -> None:
    with pytest.raises(CallError):
        asked("-", stdin="")


def test_an_end_by_the_keyboard_has_its_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        def isatty(self) -> bool:
            return True

        def read(self) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupting())
    assert ended("ask", "-") == cli.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = (sys.executable, "-m", "codex_fusion.cli", "log")
    with os.fdopen(writes, "w") as stdout:
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False
        )
    assert (done.returncode, done.stderr) == (cli.INTERRUPTED, "")


def test_serving_imports_no_other_commands() -> None:
    script = (
        "import json, sys; from codex_fusion import cli; import codex_fusion.server; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    loaded = set(json.loads(done.stdout))
    unwanted = {"argparse", "rich", "acp", "markdown_it", "structlog"}
    unwanted |= {
        f"codex_fusion.{name}" for name in ("commands", "terminal", "ask", "doctor", "log", "setup", "demo")
    }
    assert "mcp" in loaded
    assert loaded & unwanted == set()


def test_serving_without_stdin_says_so_in_one_line() -> None:
    command = f"exec {shlex.quote(sys.executable)} -m codex_fusion.cli serve <&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "codex-fusion serves MCP on stdin and stdout, and they are closed.\n"
