"""The command line's sub-commands: what is typed becomes a call. Serving does not come through here."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion import config as configuration
from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_fusion.ask import Question
    from codex_fusion.config import Config

DESCRIPTION = """\
codex-fusion lets Claude Code consult Codex, argue with it, and decide what it may do.
Without a command it serves MCP on stdin and stdout: that is what a client starts."""
ASK = """\
Ask Codex from a terminal. His answer is streamed; when he asks for more than he may, you decide; then you may
reply, and the debate goes on in the same session. In a pipe there is one answer, on stdout, and nobody to
permit anything: what Codex asks for is told on stderr, and denied.

exit codes: 0 answered, 1 failed, 2 wrong arguments, 3 something was asked for and denied because nobody was
there, 130 interrupted"""
EXAMPLES = """\
examples:
  codex-fusion ask "Is it safe to retry POST /payments?"
  codex-fusion ask --tool review_diff --base main
  codex-fusion ask --tool review_plan - < plan.md
  git log -5 | codex-fusion ask "Which of these could have broken the login?" --context -"""
MAIN = {
    "consult": "question",
    "review_plan": "plan",
    "review_diff": "instructions",
    "brainstorm": "problem",
    "explore": "focus",
}
"""Tool → the argument that TEXT is."""
FORMAT = argparse.RawDescriptionHelpFormatter


def run(given: list[str]) -> int:
    """Run one command; returns the exit code. Wrong arguments end in `SystemExit`, as argparse does it."""
    options = _parser().parse_args(given)
    action: Callable[[argparse.Namespace], int] = options.action
    return action(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codex-fusion", description=DESCRIPTION, epilog=_variables(), formatter_class=FORMAT
    )
    parser.add_argument("--version", action="version", version=f"codex-fusion {version('codex-fusion')}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)

    def command(name: str, says: str, action: Callable[..., int], about: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=says, description=about or says, formatter_class=FORMAT)
        added.set_defaults(action=action)
        return added

    command("serve", "serve MCP on stdin and stdout (what a client starts)", _serve)
    setup = command(
        "setup", "install the tested codex-acp, check the login, register with Claude Code", _setup
    )
    setup.add_argument("--yes", action="store_true", help="register with Claude Code without asking")
    doctor = command(
        "doctor", "check what works here, and prove how Codex is confined; asks no model", _doctor
    )
    doctor.add_argument("--json", action="store_true", help="print the checks as JSON")
    command("demo", "see a debate, without any account", _demo)
    _ask_options(command("ask", "ask Codex from this terminal", _ask, ASK))
    log = command("log", "read the debates that were kept", _log)
    log.add_argument("id", nargs="?", help="of a debate, or its beginning (default: list all)")
    log.add_argument("--html", action="store_true", help="write it as a page into the current folder")
    log.set_defaults(parser=log)
    command("hook", "what Claude Code runs at a /clear: reads its event on stdin", _hook)
    commands.add_parser("help", help="this help", add_help=False).set_defaults(action=partial(_help, parser))
    return parser


def _ask_options(ask: argparse.ArgumentParser) -> None:
    ask.epilog = EXAMPLES
    text = "the question; plan, instructions, problem or focus for the other tools; `-`: read it from stdin"
    ask.add_argument("text", nargs="?", metavar="TEXT", help=text)
    ask.add_argument("--tool", choices=MAIN, default="consult", help="what to ask for (default: consult)")
    ask.add_argument(
        "--context", metavar="TEXT", help="consult, review_plan: what Codex can't see; `-`: from stdin"
    )
    ask.add_argument(
        "--constraints", metavar="TEXT", help="brainstorm: what any way must keep to; `-`: from stdin"
    )
    ask.add_argument("--diff", metavar="TEXT", help="review_diff: a unified diff; `-`: from stdin")
    ask.add_argument("--base", metavar="REVISION", help="review_diff: the changes since it")
    ask.add_argument("--commit", metavar="REVISION", help="review_diff: the changes of one commit")
    ask.add_argument(
        "--path", action="append", metavar="PATH", help="review_diff, explore: look here (repeatable)"
    )
    ask.add_argument("--timeout", type=float, metavar="SECONDS", help="of active work, for the first answer")
    ask.set_defaults(parser=ask)


def _variables() -> str:
    width = max(len(variable.name) for variable in configuration.VARIABLES)
    lines = (
        f"  {v.name:<{width}}  {v.meaning}" + (f" ({v.default})" if v.default else "")
        for v in configuration.VARIABLES
    )
    return "\n".join(("It is configured by the environment:", *lines))


def _read_config() -> Config:
    return configuration.read(os.environ, Path.cwd())


def _help(parser: argparse.ArgumentParser, _options: argparse.Namespace) -> int:
    parser.print_help()
    return 0


def _serve(_options: argparse.Namespace) -> int:
    from codex_fusion.serving import serve

    return serve()


def _demo(_options: argparse.Namespace) -> int:
    import anyio

    from codex_fusion.demo import demo

    return anyio.run(demo)


def _doctor(options: argparse.Namespace) -> int:
    import anyio

    from codex_fusion.doctor import doctor

    return anyio.run(partial(doctor, _read_config(), sys.stdout, as_json=options.json))


def _setup(options: argparse.Namespace) -> int:
    from codex_fusion.setup import setup
    from codex_fusion.terminal import screen

    shown = screen(sys.stdout)

    def confirm(question: str) -> bool:
        shown.prompt(question)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    somebody = sys.stdin.isatty() and sys.stdout.isatty()
    asked = (lambda _question: True) if options.yes else confirm if somebody else None
    return setup(_read_config(), dict(os.environ), shown, asked)


def _log(options: argparse.Namespace) -> int:
    from codex_fusion import log
    from codex_fusion.archive import Archive
    from codex_fusion.terminal import screen

    if options.html and not options.id:
        options.parser.error("--html needs the ID of a debate; `codex-fusion log` lists them")
    return log.run(Archive(os.environ), screen(sys.stdout), options.id, as_page=options.html)


def _hook(_options: argparse.Namespace) -> int:
    from codex_fusion import hook

    return hook.run()


def question(options: argparse.Namespace, stdin: Callable[[], str]) -> Question:
    """The call that the options of `ask` stand for.

    :raises CallError: they don't fit the tool.
    """
    from codex_fusion import tools
    from codex_fusion.ask import Question

    named = ("context", "constraints", "diff", "base", "commit")
    given = {name: getattr(options, name) for name in named}
    given |= {MAIN[options.tool]: options.text, "paths": options.path, "timeout_s": options.timeout}
    if sum(value == "-" for value in given.values()) > 1:
        raise CallError("stdin (`-`) can be only one of the texts.")
    read = {name: stdin() if value == "-" else value for name, value in given.items()}
    arguments = {name: value for name, value in read.items() if value is not None}
    tools.parse(options.tool, arguments)
    return Question(options.tool, arguments)


def _ask(options: argparse.Namespace) -> int:
    from codex_fusion.terminal import keyboard, screen

    used = "-" in (options.text, options.context, options.constraints, options.diff)
    try:
        asked = question(options, sys.stdin.read)
    except CallError as error:
        options.parser.error(error.explain())
    config = _read_config()
    from codex_fusion import ask

    answers = screen(sys.stdout)
    desk = ask.Desk(
        answers,
        answers if answers.live else screen(sys.stderr),
        keyboard(sys.stdin, sys.stdout, stdin_is_used=used),
    )
    return ask.run(asked, config, desk)
