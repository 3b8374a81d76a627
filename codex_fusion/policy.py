"""The guardian's judgement of one permission request: allow it, or ask. Pure and total.

It rests on the request with what earlier updates said of the same tool call, on where its paths really lead
(`paths` finds out), and on what the user opened ahead of time. The rules, in the order of their weight:

1. What can't be read, is not known, or is not shown is asked: no setting covers the unknown.
2. A request is everything that its evidence says. Each of its readings must be allowed, so a `read` that
   carries changes is a write, and an `edit` with a command is both. Only a command swallows the reading of
   files: outside the sandbox, `cat` is a command like any other.
3. Each setting opens its own category and nothing else: commands, writes inside the workspace, and reads
   outside together with the network. Reading inside the workspace needs no setting.
4. An allow is for this one request. Nothing standing is ever chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

from codex_fusion.events import OptionKind, ToolKind
from codex_fusion.wording import address, files, names, one_line

if TYPE_CHECKING:
    from codex_fusion.config import Allowances
    from codex_fusion.events import Option, PermissionRequest, ToolCall


class Where(StrEnum):
    """Where a path leads, seen from the workspace."""

    INSIDE = "inside"
    PROTECTED = "protected"
    """Inside, but a write there reaches further than the one file that it names."""
    OUTSIDE = "outside"
    UNKNOWN = "unknown"
    """It could not be found out."""


@dataclass(frozen=True, slots=True)
class Target:
    """A path of a request, as the agent wrote it, and where it leads.

    `resolved` is None for what is unknown; `why` says in a few words what makes a path protected or unknown.
    """

    path: str
    resolved: str | None
    where: Where
    why: str = ""


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that a request points at: each file once, and the folder it works in, if it names one."""

    files: tuple[Target, ...] = ()
    cwd: Target | None = None

    @property
    def every(self) -> tuple[Target, ...]:
        """The files and the folder."""
        return self.files if self.cwd is None else (*self.files, self.cwd)


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed, or to be asked; `reason` is a plain phrase that says why."""

    allowed: bool
    reason: str


class Reading(Enum):
    """What a request can be taken for, the most dangerous first."""

    COMMAND = auto()
    WRITE = auto()
    NETWORK = auto()
    READ = auto()


_WRITES = frozenset({ToolKind.EDIT, ToolKind.DELETE, ToolKind.MOVE})
_READS = frozenset({ToolKind.READ, ToolKind.SEARCH})
# Not THINK: a thought has no effect and needs no permission, so one that asks for it is something else.
_JUDGED = _WRITES | _READS | {ToolKind.EXECUTE, ToolKind.FETCH}
_NOT_BEGUN = frozenset({"", "pending"})
_MOVED = 2  # a move has a place it comes from and one it goes to
# codex-acp 2.6.0 announces `cat a.py` as a read in progress, and what this command asks for later (network
# access, say) comes under the same id, and without a kind of its own to a client that opted in to `_meta`.
_MORE = "a tool call that already runs asks for more than it was announced as"


def decide(request: PermissionRequest, targets: Targets, allow: Allowances) -> Decision:
    """Whether the guardian allows this request by itself; `targets` are what `paths.resolve` says of it."""
    if doubt := _doubt(request, targets):
        return Decision(allowed=False, reason=doubt)
    verdicts = [_judge(reading, request.tool, targets, allow) for reading in readings(request.tool)]
    return next((verdict for verdict in verdicts if not verdict.allowed), verdicts[0])


def grant(request: PermissionRequest) -> Option | None:
    """The option that allows this request and nothing after it, or None where the agent offers no such thing.

    An id that also stands for something else is not it: the agent would choose which of the two was meant.
    """
    option = request.option(OptionKind.ALLOW_ONCE)
    if option is None or not option.id:
        return None
    namesakes = (other for other in request.options if other.id == option.id)
    return option if all(other.kind is OptionKind.ALLOW_ONCE for other in namesakes) else None


def readings(tool: ToolCall) -> tuple[Reading, ...]:
    """Everything that the evidence says a tool call is; empty where it says nothing that can be judged."""
    command = tool.command is not None or tool.kind is ToolKind.EXECUTE
    evidence = {
        Reading.COMMAND: command,
        Reading.WRITE: bool(tool.changes) or tool.kind in _WRITES,
        Reading.NETWORK: tool.kind is ToolKind.FETCH,
        Reading.READ: tool.kind in _READS and not command,
    }
    return tuple(reading for reading, found in evidence.items() if found)


def _doubt(request: PermissionRequest, targets: Targets) -> str | None:
    """Why no setting can cover this request, or None."""
    tool = request.tool
    unknown = _at(targets.every, Where.UNKNOWN)
    doubts = (
        (tool.malformed, "a part of the request could not be read"),
        (tool.kind is ToolKind.UNKNOWN, "it does not say what kind of action this is"),
        (tool.kind not in _JUDGED, f"no setting covers an action of the kind “{tool.kind}”"),
        (not _covers(targets, tool), "not every path of the request was looked up"),
        (bool(unknown), f"it can't be told where this leads: {_explained(unknown)}"),
        (grant(request) is None, "the agent offers no way to allow this only once"),
    )
    return next((reason for found, reason in doubts if found), None)


def _covers(targets: Targets, tool: ToolCall) -> bool:
    """Every path of the request was looked up: one that was left out must not be one that is let through."""
    cwd = None if targets.cwd is None else targets.cwd.path
    return cwd == tool.cwd and {target.path for target in targets.files} >= set(files(tool))


def _judge(reading: Reading, tool: ToolCall, targets: Targets, allow: Allowances) -> Decision:
    """One reading of a request that leaves no doubt about what it says."""
    judges = {
        Reading.COMMAND: _judge_command,
        Reading.WRITE: _judge_write,
        Reading.NETWORK: _judge_fetch,
        Reading.READ: _judge_read,
    }
    return judges[reading](tool, targets, allow)


def _judge_command(tool: ToolCall, _targets: Targets, allow: Allowances) -> Decision:
    """Outside the sandbox a command can do anything, anywhere: its paths and its folder soften nothing."""
    if not (tool.command or "").strip():
        return Decision(allowed=False, reason="a command that it does not show")
    return Decision(allow.commands, "a command outside the sandbox")


def _judge_write(tool: ToolCall, targets: Targets, allow: Allowances) -> Decision:
    """Inside the workspace, away from what steers other programs, and shown in full."""
    if outside := _at(targets.every, Where.OUTSIDE):
        return Decision(allowed=False, reason=f"writes outside the workspace: {_listed(outside)}")
    if protected := _at(targets.files, Where.PROTECTED):
        return Decision(allowed=False, reason=f"writes to a protected place: {_explained(protected)}")
    if not _shown(tool, targets):
        return Decision(allowed=False, reason="a change that it does not show in full")
    return Decision(allow.writes, f"writes inside the workspace: {_listed(targets.files)}")


def _shown(tool: ToolCall, targets: Targets) -> bool:
    """Whether a write shows every place that it touches.

    codex-acp 2.6.0 names the files of a patch as they were, and shows in the diffs where they go; it leaves
    out a diff that is large or can't be parsed. So fewer changed files than named ones can hide where one of
    them moves to.
    """
    if tool.kind is ToolKind.DELETE and not tool.changes:
        return bool(targets.files)
    if tool.kind is ToolKind.MOVE and not tool.changes:
        return len({target.resolved for target in targets.files}) >= _MOVED
    return len({change.path for change in tool.changes}) >= max(1, len(set(tool.paths)))


def _judge_fetch(tool: ToolCall, _targets: Targets, allow: Allowances) -> Decision:
    if tool.status not in _NOT_BEGUN:
        return Decision(allowed=False, reason=_MORE)
    if (url := address(tool)) is None:
        return Decision(allowed=False, reason="a fetch that does not show its address")
    return Decision(allow.external_reads, f"reads from the network: {one_line(url)}")


def _judge_read(tool: ToolCall, targets: Targets, allow: Allowances) -> Decision:
    if tool.status not in _NOT_BEGUN:
        return Decision(allowed=False, reason=_MORE)
    if not targets.files:
        return Decision(allowed=False, reason="a read that does not say what it reads")
    if outside := _at(targets.every, Where.OUTSIDE):
        return Decision(allow.external_reads, f"reads outside the workspace: {_listed(outside)}")
    return Decision(allowed=True, reason=f"reads inside the workspace: {_listed(targets.files)}")


def _at(targets: tuple[Target, ...], where: Where) -> tuple[Target, ...]:
    return tuple(target for target in targets if target.where is where)


def _listed(targets: tuple[Target, ...]) -> str:
    """Targets by the paths that they lead to, and as they were written where that differs."""
    return names(tuple(_name(target) for target in targets))


def _name(target: Target) -> str:
    if target.resolved is None or target.resolved == target.path:
        return target.path
    return f"{target.path} ({target.resolved})" if target.path.startswith("/") else target.resolved


def _explained(targets: tuple[Target, ...]) -> str:
    """Targets, and what makes the first of them what it is."""
    why = next((target.why for target in targets if target.why), "")
    return f"{_listed(targets)} ({why})" if why else _listed(targets)
