"""The environment, read once into one frozen `Config`.

Each variable is one row of `VARIABLES`. Pure: what is asked of the file system (is this a folder, where does
this symlink lead) is asked through arguments.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_fusion.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "CODEX_FUSION_"
MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000
MAX_SHOWN = 80
"""How much of a wrong value an error repeats."""

_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off")


class Confinement(StrEnum):
    """How Codex is held (`CODEX_FUSION_CONFINEMENT`)."""

    STRICT = "strict"
    """Reads outside the workspace do not exist (the default)."""
    READ_ONLY = "read-only"
    """Codex's own read-only mode: nothing written, no network, the whole disk readable."""
    AGENT = "agent"
    """Whatever the agent does by itself."""


class WhoPermits(StrEnum):
    """Who decides what Codex asks for (`CODEX_FUSION_PERMIT`)."""

    CLAUDE = "claude"
    """Whoever calls the tool `permit` (the default)."""
    HUMAN = "human"
    """A person, who is asked at each call of it."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """What the user opened ahead of time; each flag is exactly its own category."""

    external_reads: bool = False
    writes: bool = False
    commands: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the server is told by its environment."""

    workspace: Path
    acp_command: tuple[str, ...] | None = None
    """`CODEX_FUSION_ACP_COMMAND`, split as a shell splits words; None: find codex-acp."""
    allow: Allowances = Allowances()
    turn_timeout_s: float = 300.0
    log: Path | None = None
    confinement: Confinement = Confinement.STRICT
    read_roots: tuple[Path, ...] = ()
    pass_env: tuple[str, ...] = ()
    history: bool = True
    """Whether debates are kept in the user's state folder."""
    permit: WhoPermits = WhoPermits.CLAUDE


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: what users are told of it, and how it is read."""

    name: str
    default: str
    """What an unset or blank variable stands for, as one would write it; empty: nothing."""
    meaning: str
    field: str
    """Where its value goes in `Config`; `allow.x` is a field of `Allowances`."""
    parse: Callable[[str, _Surroundings], object]
    may_be_blank: bool = True


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a value may depend on beside itself."""

    environ: Mapping[str, str]
    cwd: Path
    is_dir: Callable[[Path], bool]
    resolve: Callable[[Path], Path]

    def folder(self, path: Path) -> Path | None:
        """Return the folder that `path` leads to, free of symlinks; None if we can see none there."""
        try:
            return self.resolve(path) if self.is_dir(path) else None
        except (OSError, ValueError):
            return None

    def expand(self, value: str) -> Path:
        """Read a path as users write it: `~` is their home."""
        if value != "~" and not value.startswith(("~/", f"~{os.sep}")):
            return Path(value)
        home = self.environ.get("HOME") or self.environ.get("USERPROFILE")
        if not home:
            raise _InvalidError("without HOME there is no `~`; valid is the whole path")
        return Path(home, value[2:])


class _InvalidError(Exception):
    """A value means nothing: what is valid, and which parts of the value are not (default: all of it)."""

    def __init__(self, valid: str, parts: tuple[str, ...] = ()) -> None:
        super().__init__(valid)
        self.valid = valid
        self.parts = parts


def read(
    environ: Mapping[str, str],
    cwd: Path,
    *,
    is_dir: Callable[[Path], bool] = Path.is_dir,
    resolve: Callable[[Path], Path] = Path.resolve,
) -> Config:
    """Read what `environ` says to a server started in `cwd`.

    `ConfigurationError` has every problem at once.
    """
    around = _Surroundings(environ, cwd, is_dir, resolve)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable in VARIABLES:
        value = environ.get(variable.name)
        if value is None or (variable.may_be_blank and not value.strip()):
            value = variable.default
            if not value:
                continue
        try:
            values[variable.field] = variable.parse(value, around)
        except _InvalidError as error:
            problems += [_problem(variable.name, part, error.valid) for part in error.parts or (value,)]
    problems += _unknown(environ)
    if problems:
        raise ConfigurationError(tuple(problems))
    flags = [field for field in values if field.startswith("allow.")]
    allow = {field.removeprefix("allow."): values.pop(field) for field in flags}
    return Config(allow=Allowances(**allow), **values)


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    known = {variable.name.removeprefix(PREFIX): variable.name for variable in VARIABLES}
    for name in sorted(environ):
        # On most systems the case of a name counts, so a lower-case one would silently do nothing.
        if name.upper().startswith(PREFIX) and name not in known.values():
            close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
            advice = f"did you mean {known[close[0]]}?" if close else f"valid are {', '.join(known.values())}"
            yield _problem(name, environ[name], f"there is no such variable; {advice}")


# What a secret may stand behind, in a value: an assignment, an option, a well-known prefix.
_SECRET_NEXT = re.compile(
    r"(?is)(=|(?:key|token|secret|passw|bearer)[^\s=:]*[\s=:]|\bsk-|\bgh[opsu]_|\beyJ).*"
)
_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|auth|credential")


def _problem(name: str, value: str, valid: str) -> str:
    """One line for a person. No secret that was put into the wrong variable is repeated to a model by it."""
    if _SECRET_NAME.search(name):
        return f"{name} (value not shown): {valid}"
    shown = repr(_SECRET_NEXT.sub(r"\1…", value))
    if len(shown) > MAX_SHOWN:
        shown = shown[: MAX_SHOWN - 1] + "…"
    return f"{name}={shown}: {valid}"


def _workspace(value: str, around: _Surroundings) -> Path:
    folder = around.folder(around.cwd / around.expand(value))
    if folder is None:
        raise _InvalidError(
            f"valid is the path of a folder that exists (a relative one starts in {around.cwd})"
        )
    # Where desktop applications start their servers: nobody means it, and nothing would be outside of it.
    if folder == folder.parent:
        raise _InvalidError(f"that is {folder}, the whole disk; valid is the path of a project's folder")
    return folder


def _acp_command(value: str, _: _Surroundings) -> tuple[str, ...]:
    valid = "valid is a command with its arguments, quoted as for a shell; leave it unset for codex-acp"
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise _InvalidError(f"{str(error).lower()}; {valid}") from error
    if not words or not words[0].strip():
        raise _InvalidError(f"it names no command; {valid}")
    return tuple(words)


def _flag(value: str, _: _Surroundings) -> bool:
    word = value.strip().lower()
    if word not in _ON + _OFF:
        raise _InvalidError(f"valid is on ({', '.join(_ON)}) or off ({', '.join(_OFF)})")
    return word in _ON


def _timeout(value: str, _: _Surroundings) -> float:
    digits = value.strip()
    # Python's int() takes more than people mean: "+5", "1_000", digits of other scripts.
    if not re.fullmatch(r"[1-9][0-9]{0,8}", digits) or int(digits) > MAX_TIMEOUT_MS:
        raise _InvalidError(f"valid is a whole number of milliseconds, from 1 to {MAX_TIMEOUT_MS} (24 hours)")
    return int(digits) / 1000


def _log(value: str, around: _Surroundings) -> Path | None:
    word = value.strip().lower()
    if word in _OFF:
        return None
    path = around.cwd / around.expand(value)
    if word in _ON or around.folder(path) is not None:
        raise _InvalidError("valid is off, or the path of a file to write")
    return path


def _confinement(value: str, _: _Surroundings) -> Confinement:
    try:
        return Confinement(value.strip().lower())
    except ValueError as error:
        raise _InvalidError(f"valid is {', '.join(Confinement)}") from error


def _permit(value: str, _: _Surroundings) -> WhoPermits:
    try:
        return WhoPermits(value.strip().lower())
    except ValueError as error:
        raise _InvalidError(f"valid is {', '.join(WhoPermits)}") from error


def _read_roots(value: str, around: _Surroundings) -> tuple[Path, ...]:
    entries = [entry for entry in value.split(os.pathsep) if entry.strip()]
    paths = {entry: around.expand(entry) for entry in entries}
    folders = {entry: around.folder(path) for entry, path in paths.items() if path.is_absolute()}
    wrong = tuple(entry for entry in paths if folders.get(entry) is None)
    if wrong:
        valid = f"valid are absolute paths of folders that exist, separated by {os.pathsep!r}"
        raise _InvalidError(valid, wrong)
    return tuple(dict.fromkeys(folder for folder in folders.values() if folder is not None))


def _pass_env(value: str, _: _Surroundings) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", value))))
    wrong = tuple(name for name in names if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name))
    if wrong:
        valid = "valid are names of variables (not their values), separated by commas or spaces"
        raise _InvalidError(valid, wrong)
    return names


VARIABLES = (
    Variable(
        "CODEX_FUSION_WORKSPACE",
        ".",
        "The folder that Codex works in; a relative one starts where the server was started.",
        "workspace",
        _workspace,
    ),
    Variable(
        "CODEX_FUSION_ACP_COMMAND",
        "",
        "The command that starts the agent, split as a shell splits words; unset: codex-acp.",
        "acp_command",
        _acp_command,
        may_be_blank=False,
    ),
    Variable(
        "CODEX_FUSION_ALLOW_EXTERNAL_READS",
        "off",
        "on: Codex may read outside the workspace and use the network without asking.",
        "allow.external_reads",
        _flag,
    ),
    Variable(
        "CODEX_FUSION_ALLOW_WRITES",
        "off",
        "on: Codex may write inside the workspace without asking.",
        "allow.writes",
        _flag,
    ),
    Variable(
        "CODEX_FUSION_ALLOW_COMMANDS",
        "off",
        "on: Codex may run commands outside its sandbox without asking.",
        "allow.commands",
        _flag,
    ),
    Variable(
        "CODEX_FUSION_TURN_TIMEOUT_MS",
        "300000",
        "The milliseconds of work after which a turn is ended; waiting for a permit does not count.",
        "turn_timeout_s",
        _timeout,
    ),
    Variable(
        "CODEX_FUSION_LOG",
        "off",
        "A file that gets one JSON object per turn; a relative path starts where the server was started.",
        "log",
        _log,
    ),
    Variable(
        "CODEX_FUSION_CONFINEMENT",
        "strict",
        "How Codex is held: strict (the workspace and the system's tools are readable, nothing else), "
        "read-only (the whole disk is readable, nothing is writable), or agent (whatever the agent does by "
        "itself).",
        "confinement",
        _confinement,
    ),
    Variable(
        "CODEX_FUSION_READ_ROOTS",
        "",
        f"More folders that strict lets Codex read: absolute paths, separated by {os.pathsep!r}.",
        "read_roots",
        _read_roots,
    ),
    Variable(
        "CODEX_FUSION_PASS_ENV",
        "",
        "More variables that the agent gets from the environment: names, separated by commas or spaces.",
        "pass_env",
        _pass_env,
    ),
    Variable(
        "CODEX_FUSION_HISTORY",
        "on",
        "off: debates are not kept. They are kept in your state folder: 200 of them, for 30 days at most.",
        "history",
        _flag,
    ),
    Variable(
        "CODEX_FUSION_PERMIT",
        "claude",
        "Who decides what Codex asks for: claude, or human (you are asked each time Claude calls `permit`).",
        "permit",
        _permit,
    ),
)
"""Every variable there is: what `read` reads, and what the help and the documentation list."""
