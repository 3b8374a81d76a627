"""What `review_diff` reviews: revisions resolved by git before a turn is spent on them.

Only `rev-parse` and `merge-base` are run here; `git diff` and `git status`, which can run programs that
the repository's own configuration names, run in Codex's sandbox. One way was left: where an object is
missing, git fetches it from a remote that the configuration names, and may run a program for that. So no
transport is allowed.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import anyio

from codex_fusion import prompts
from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 10.0
_HARMLESS = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


async def resolve(
    workspace: Path, *, diff: str | None, base: str | None, commit: str | None
) -> prompts.Target:
    """The target of a review; at most one of the three is given.

    :raises CallError: where the workspace is no git repository, or git does not know the revision.
    """
    if diff is not None:
        return prompts.PastedDiff(diff)
    inside = await _git(workspace, "rev-parse", "--is-inside-work-tree")
    if inside != "true":
        raise CallError(
            f"The workspace {workspace} is no git work tree, so there are no changes to find.",
            "Paste the changes as `diff`, or set CODEX_FUSION_WORKSPACE to the repository.",
        )
    if commit is not None:
        return prompts.OneCommit(commit, await _commit(workspace, "commit", commit))
    if base is not None:
        sha = await _commit(workspace, "base", base)
        merge_base = await _git(workspace, "merge-base", sha, "HEAD")
        if merge_base is None:
            raise CallError(
                f"`base` {base!r} has no common history with HEAD.", "Name a branch that HEAD came from."
            )
        return prompts.SinceBase(base, merge_base)
    return prompts.Uncommitted()


async def _commit(workspace: Path, argument: str, revision: str) -> str:
    sha = await _git(
        workspace, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if sha is None:
        raise CallError(
            f"`{argument}` {revision!r} names no commit in {workspace}.",
            "Give a branch, a tag or a commit that `git rev-parse` knows there.",
        )
    return sha


async def _git(workspace: Path, *arguments: str) -> str | None:
    """One line of git's answer; None where it says no."""
    environ = {**os.environ, **_HARMLESS}
    try:
        with anyio.fail_after(_LIMIT_S):
            done = await anyio.run_process(
                ("git", "-C", str(workspace), *arguments), check=False, env=environ, stdin=subprocess.DEVNULL
            )
    except (FileNotFoundError, PermissionError) as error:
        raise CallError(
            "git is not there to find the changes.", "Install git, or paste them as `diff`."
        ) from error
    except TimeoutError as error:
        msg = f"git did not answer within {_LIMIT_S:g} s in {workspace}."
        raise CallError(msg, "Paste the changes as `diff`.") from error
    except ValueError as error:  # a NUL in a revision
        raise CallError("A revision can't hold a NUL character.", "") from error
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0 and "dubious ownership" in said:
        raise CallError(
            f"git refuses to read {workspace}: {said.splitlines()[0]}",
            "Follow git's advice, then call again.",
        )
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
