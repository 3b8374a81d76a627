"""`doctor`'s look at Claude Code: is it there, does it know us, does its hook fire, how long does it wait."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from codex_fusion.checks import advice, failed, ok
from codex_fusion.claude_code import ClaudeCode, Entry, Hook
from codex_fusion.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_fusion.checks import Check
    from codex_fusion.config import Config

LIMIT_S = 10.0
START_MS = 5_000
"""A server's start takes a second; on a busy machine some more."""
INSTALL_PLUGIN = (
    "`claude plugin install fusion@codex-fusion`, after `claude plugin marketplace add` of codex-fusion"
)


def examine(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
    """Check after check. Where there is no Claude Code, that is all there is to say."""
    found = shutil.which("claude", path=environ.get("PATH", os.defpath))
    if found is None:
        remedy = "Install Claude Code, or put its command on PATH. Other MCP clients are not looked for."
        yield advice("Claude Code", "there is no `claude` on PATH", remedy)
    else:
        yield _version(found)
    claude = ClaudeCode(environ, config.workspace)
    entries, hooks = claude.entries(), claude.hooks()
    if found is None and not entries and not hooks:
        return
    yield from _registered(entries, environ)
    yield from _hook_fires(hooks, config.workspace, environ)
    yield from _limits(claude, entries, config.turn_timeout_s)


def _version(command: str) -> Check:
    try:
        done = subprocess.run(
            (command, "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return advice("Claude Code", f"{command}: {error}", "Install Claude Code anew.")
    return ok("Claude Code", f"{done.stdout.strip()} at {command}")


def _registered(entries: list[Entry], environ: Mapping[str, str]) -> Iterator[Check]:
    if not entries:
        remedy = f"Run `codex-fusion setup` for the server, or {INSTALL_PLUGIN}."
        yield advice("registration", "Claude Code does not know this server", remedy)
    for entry in entries:
        says = f"{entry.name} ({entry.where})"
        if shutil.which(entry.command, path=environ.get("PATH", os.defpath)):
            yield ok("registration", says)
        else:
            remedy = f"Run `claude mcp remove {entry.name}`, then `codex-fusion setup`."
            yield failed("registration", f"{says} starts {entry.command!r}, which is no command", remedy)
    if len(entries) > 1:
        remedy = "Keep one (`claude mcp remove …`): each has a Codex of its own."
        yield advice("registration", f"this server is registered {len(entries)} times", remedy)


def _hook_fires(hooks: list[Hook], workspace: Path, environ: Mapping[str, str]) -> Iterator[Check]:
    if not hooks:
        says = "there is none: Codex keeps his context after a /clear in Claude Code, until `reset`"
        remedy = f"Install the plugin: {INSTALL_PLUGIN}; or let a hook run `codex-fusion hook`."
        yield advice("hook", says, remedy)
    for hook in hooks:
        yield _try_hook(hook, workspace, environ)


def _try_hook(hook: Hook, workspace: Path, environ: Mapping[str, str]) -> Check:
    """Run it as Claude Code does, on a scratch state folder: a start must do nothing, a /clear something."""
    repair = "Install the plugin anew, or correct the hook in Claude Code's settings.json."
    if not hook.hears_clear:
        says = f"({hook.where}) it is called for {hook.matcher!r}, and not for a /clear"
        return failed("hook", says, "Let its matcher be `clear`.")
    if os.name == "nt":
        return advice("hook", f"({hook.where}) there; it was not tried, for want of a shell", "Try a /clear.")
    with tempfile.TemporaryDirectory(prefix="codex-fusion-hook-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        session = f"doctor-{uuid.uuid4()}"
        for source, fires in (("startup", False), ("clear", True)):
            said = _run(hook, source, session, workspace, {**environ, "XDG_STATE_HOME": name})
            if said is not None:
                return failed("hook", f"({hook.where}) on {source}: {said}", repair)
            if _has_written(scratch, session) is not fires:
                happened = "it changed nothing" if fires else "it acted, and should not"
                return failed("hook", f"({hook.where}) on {source}: {happened}", repair)
    return ok("hook", f"({hook.where}) tried: it acts on a /clear, and on no other start")


def _run(hook: Hook, source: str, session: str, workspace: Path, environ: dict[str, str]) -> str | None:
    """What went wrong; None: nothing that it said."""
    event = {
        "session_id": session,
        "transcript_path": "",
        "cwd": str(workspace),
        "hook_event_name": "SessionStart",
        "source": source,
    }
    told = {"CLAUDE_PROJECT_DIR": str(workspace)}
    if hook.root is not None:
        told["CLAUDE_PLUGIN_ROOT"] = str(hook.root)
    try:
        done = subprocess.run(
            ("/bin/sh", "-c", hook.command),
            input=json.dumps(event),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=workspace,
            env=environ | told,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = scrub(done.stderr.strip())
    return f"it ended with {done.returncode}: {said}" if done.returncode else said or None


def _has_written(folder: Path, session: str) -> bool:
    return any(session.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def _limits(claude: ClaudeCode, entries: list[Entry], turn_s: float) -> Iterator[Check]:
    start = claude.limit_ms("MCP_TIMEOUT")
    calls = {"MCP_TOOL_TIMEOUT": claude.limit_ms("MCP_TOOL_TIMEOUT")}
    calls |= {f"`timeout` of {entry.name} ({entry.where})": entry.timeout_ms for entry in entries}
    short = {name: limit for name, limit in calls.items() if limit is not None and limit < turn_s * 1000}
    for name, limit in short.items():
        says = f"{name} is {limit} ms: Claude Code gives up before a turn's {turn_s:g} s are over"
        yield failed("time limits", says, "Raise it, or lower CODEX_FUSION_TURN_TIMEOUT_MS.")
    if start is not None and start < START_MS:
        says = f"MCP_TIMEOUT is {start} ms: the server may not be there by then"
        yield advice("time limits", says, f"Let it be {START_MS} or more, or remove it.")
    elif not short:
        yield ok("time limits", f"Claude Code waits as long as a turn may take ({turn_s:g} s of work)")
