"""The reset nonce: how a `/clear` in Claude Code reaches the server.

Claude Code neither restarts an MCP server on `/clear` nor tells it. So its `SessionStart` hook writes the new
Claude session id into one small file per project, and the server looks at that file before each call: if the
id is another than the last time, the conversation that Codex took part in is gone.

Both sides find the file with the functions of this module. The hook runs on every start of Claude Code, under
whatever `python3` there is, so this module imports nothing that the interpreter has not loaded by itself, and
keeps to what Python 3.8 can run.
"""
# No pathlib and no hashlib here: importing either costs the hook more than all of its work.
# ruff: noqa: PTH101, PTH103, PTH105, PTH108, PTH112, PTH116, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False  # `typing` is not free; type checkers know this name by itself
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1024
"""No session id is longer; a longer file is not one of ours."""

_NAME = "codex-fusion"


def home_folder(environ: Mapping[str, str], *, uid: int | None = None) -> str | None:
    """Find the user's home: the environment's, else the password database's; None where there is none.

    `uid` is whose entry is looked up (default: this process's user).
    """
    for name in ("HOME", "USERPROFILE"):
        if os.path.isabs(environ.get(name, "")):
            return environ[name]
    try:
        import pwd  # not on Windows, and seldom needed

        home = pwd.getpwuid(os.getuid() if uid is None else uid).pw_dir
    except (ImportError, KeyError):
        return None
    return home if os.path.isdir(home) else None  # service accounts have a /nonexistent


def state_folder(
    environ: Mapping[str, str], *, windows: bool = os.name == "nt", uid: int | None = None
) -> str:
    r"""Name the user's private folder for what must survive a process; `make_private` makes it.

    `$XDG_STATE_HOME/codex-fusion`, else `~/.local/state/codex-fusion`; `%LOCALAPPDATA%\codex-fusion` on
    Windows; for a user without a home, a folder of his own in the temp folder.
    """
    if windows and environ.get("LOCALAPPDATA"):
        return os.path.join(environ["LOCALAPPDATA"], _NAME)
    state = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):  # a relative one is to be ignored, says the XDG specification
        return os.path.join(state, _NAME)
    home = home_folder(environ, uid=uid)
    if home is not None:
        return os.path.join(home, ".local", "state", _NAME)
    candidates = (environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP"))
    temp = next((folder for folder in candidates if os.path.isabs(folder)), "/tmp")  # noqa: S108 - see make_private
    return os.path.join(temp, f"{_NAME}-{_user() if uid is None else uid}")


def make_private(folder: str, *, uid: int | None = None) -> None:
    """Make `folder` if it is missing, and close it to others; `PermissionError` if it is not of `uid` (us).

    A symlink belongs to whoever made it: in a shared temp folder anybody could have put one there.
    """
    os.makedirs(folder, 0o700, exist_ok=True)
    status = os.stat(folder)
    owners = {os.lstat(folder).st_uid, status.st_uid}
    if owners != {_user() if uid is None else uid}:
        raise PermissionError(f"{folder} belongs to another user, so nothing is written there")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(folder, 0o700)


def project_dir(environ: Mapping[str, str], fallback: str) -> str:
    """Return the project that Claude Code works on: what it says itself, else `fallback`.

    The hook falls back on its payload's `cwd`, the server on its workspace.
    """
    told = environ.get("CLAUDE_PROJECT_DIR", "")
    return told if os.path.isabs(told) else fallback


def path(project_dir: str, environ: Mapping[str, str]) -> str:
    """Name the nonce's file of a project: the same for each of its subfolders, and for each symlink to it."""
    root = os.fsencode(os.path.normcase(_project_root(project_dir)))
    return os.path.join(state_folder(environ), f"reset-{_digest(root)}")


def window_path(path: str, window: int) -> str:
    """Name the nonce's file of one window of the client: the process with this id."""
    return f"{path}-window-{window}"


def write(path: str, value: str) -> None:
    """Put `value` there in one step: a reader sees the old value or the new one, never a part.

    `OSError` where that can't be done, `ValueError` for a value that `read` would not give back.
    """
    data = value.encode(errors="surrogatepass")
    if not _is_nonce(value, data):
        raise ValueError(f"a session id is 1 to {MAX_BYTES} bytes of printable text")
    make_private(os.path.dirname(path))
    draft = f"{path}.{os.getpid()}.{os.urandom(8).hex()}"
    try:
        with open(draft, "xb", opener=_open_private) as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        _discard(draft)
        raise


def read(path: str, *, uid: int | None = None) -> str | None:
    """Return what `write` left there; None, which means "no change", for whatever that can't be.

    A file of another user than `uid` (us) is none of ours.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != (_user() if uid is None else uid):
                return None
            data = file.read(MAX_BYTES + 1)
        value = data.decode()
    except (OSError, ValueError):
        return None
    return value if _is_nonce(value, data) else None


def _is_nonce(value: str, data: bytes) -> bool:
    return 0 < len(data) <= MAX_BYTES and value.isprintable()


def _user() -> int:
    """Our user id as files carry it: where there are none (Windows), every file says 0."""
    return os.getuid() if hasattr(os, "getuid") else 0


def _project_root(folder: str) -> str:
    """Find the nearest folder upwards with a `.git` (a worktree's is a file); without one, take `folder`."""
    folder = candidate = os.path.realpath(folder)
    while not os.path.lexists(os.path.join(candidate, ".git")):
        above = os.path.dirname(candidate)
        if above == candidate:
            return folder
        candidate = above
    return candidate


def _digest(data: bytes) -> str:
    """FNV-1a in 128 bits: not cryptographic, but who finds a collision only resets a conversation."""
    digest = 0x6C62272E07BB014262B821756295C58D
    for byte in data:
        digest = (digest ^ byte) * 0x0000000001000000000000000000013B % (1 << 128)
    return f"{digest:032x}"


def _open_private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _open_at_once(name: str, flags: int) -> int:
    """Without waiting for a pipe's writer, and without following a link: `write` leaves neither."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _discard(draft: str) -> None:
    try:  # noqa: SIM105 - contextlib is not free
        os.unlink(draft)
    except OSError:
        pass
