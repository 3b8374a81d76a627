"""`codex-fusion setup`: codex-acp installed, the login checked, Claude Code told of the server.

Nothing of Claude Code's is changed but by its own command, which is shown first.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from codex_fusion import doctor, install
from codex_fusion.checks import Severity
from codex_fusion.claude_code import SERVER_NAME, ClaudeCode
from codex_fusion.terminal import Tone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_fusion.checks import Check
    from codex_fusion.config import Config
    from codex_fusion.terminal import Screen

    Confirm = Callable[[str], bool]

REGISTER_LIMIT_S = 60.0


def _direct_url() -> str | None:
    """What installed this package noted, if that was not from a package index."""
    return distribution("codex-fusion").read_text("direct_url.json")


def own_command(
    executable: str = sys.executable,
    program: str = sys.argv[0],
    direct_url: Callable[[], str | None] = _direct_url,
) -> tuple[str, ...]:
    """How a client starts this server, from anywhere: the command of this installation, in full."""
    beside = [Path(executable).parent / name for name in ("codex-fusion", "codex-fusion.exe")]
    named = [Path(program).absolute()] if Path(program).stem == "codex-fusion" else []
    found = next((str(file) for file in (*beside, *named) if file.is_file()), None)
    if found is None:
        return (executable, "-m", "codex_fusion.cli")
    # uvx runs from its cache, which it may clear at any time.
    return ("uvx", *_source(direct_url()), "codex-fusion") if "archive-v0" in Path(found).parts else (found,)


def _source(direct_url: str | None) -> tuple[str, ...]:
    """Where uvx has to get it from again: what it was told, unless that was the package's name."""
    if direct_url is None:
        return ()
    noted = json.loads(direct_url)
    url, vcs = noted["url"], noted.get("vcs_info")
    if vcs is None:
        return ("--from", url)
    revision = f"@{vcs['requested_revision']}" if "requested_revision" in vcs else ""
    return ("--from", f"{vcs['vcs']}+{url}{revision}")


def register_command(claude: str = "claude") -> tuple[str, ...]:
    """What tells Claude Code of this server, for all of the user's projects."""
    return (claude, "mcp", "add", "--scope", "user", SERVER_NAME, "--", *own_command())


def setup(config: Config, environ: Mapping[str, str], out: Screen, confirm: Confirm | None) -> int:
    """Do it, step by step; returns the exit code. `confirm` None: nobody is there to be asked."""
    folder = install.data_folder(environ)
    out.say(f"{' and '.join(install.PINNED)} in {folder} …", lead="1  Codex: ", lead_tone=Tone.HEAD)
    command = install.install(folder)
    out.say(f"installed: {command}", lead="   ")
    logged_in = anyio.run(_check_session, config, environ, out, command.parent / "codex")
    registered = _register(config, environ, out, confirm)
    out.say()
    if logged_in and registered:
        out.say("All done. `codex-fusion doctor` checks the rest. Then have Claude Code consult Codex.")
    return 0 if logged_in and registered else 1


async def _check_session(config: Config, environ: Mapping[str, str], out: Screen, codex: Path) -> bool:
    out.say("opening a session (no model is asked) …", lead="2  Login: ", lead_tone=Tone.HEAD)
    checks: list[Check] = [check async for check in doctor.session(config, environ)]
    for check in checks:
        doctor.show(check, out)
    if checks[0].severity is Severity.OK:
        return True
    if "logged in" in checks[0].says:
        out.say("Log in with this command, then run `codex-fusion setup` again:", lead="   ")
        out.say(f"{shlex.quote(str(codex))} login", Tone.HEAD, lead="       ")
    return False


def _register(config: Config, environ: Mapping[str, str], out: Screen, confirm: Confirm | None) -> bool:
    """Offer to register with Claude Code; whether nothing of it failed."""
    lead = "3  Claude Code: "
    known = ClaudeCode(environ, config.workspace).entries()
    if known:
        out.say(
            f"knows this server already: {known[0].name} ({known[0].where}).", lead=lead, lead_tone=Tone.HEAD
        )
        return True
    claude = shutil.which("claude", path=environ.get("PATH", os.defpath))
    shown = shlex.join(register_command())
    if claude is None:
        says = "there is no `claude` on PATH. Once it is there, register this server with:"
    elif confirm is None:
        says = "register this server with (or run `codex-fusion setup --yes`):"
    else:
        says = "this command tells it of this server, for all your projects:"
    out.say(says, lead=lead, lead_tone=Tone.HEAD)
    out.say(shown, Tone.HEAD, lead="       ")
    if claude is None or confirm is None:
        return True
    if not confirm("   Run it now? [y/N] "):
        out.say("not run.", lead="   ")
        return True
    return _run(register_command(claude), environ, out)


def _run(command: tuple[str, ...], environ: Mapping[str, str], out: Screen) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=dict(environ),
            timeout=REGISTER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        out.say(str(error), Tone.BAD, lead="   ")
        return False
    out.say(done.stdout.strip(), Tone.PLAIN if done.returncode == 0 else Tone.BAD, lead="   ")
    return done.returncode == 0
