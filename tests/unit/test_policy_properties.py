"""What holds for every request, however odd, and wherever its paths lead."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from codex_fusion.config import Allowances
from codex_fusion.events import OptionKind, ToolCall, ToolKind
from codex_fusion.policy import Where, decide
from tests.support.permission_requests import COMMANDS, FLAGS, NOTHING, READS, WRITES, Case, cases


def is_command(tool: ToolCall) -> bool:
    return tool.command is not None or tool.kind is ToolKind.EXECUTE


def is_write(tool: ToolCall) -> bool:
    return bool(tool.changes) or tool.kind in {ToolKind.EDIT, ToolKind.DELETE, ToolKind.MOVE}


# Seven properties of `decide`: 10,500 requests in all.
properties = settings(max_examples=1500, deadline=None)


@properties
@given(cases(), FLAGS)
def test_no_target_outside_is_allowed_but_by_the_flag_that_covers_it(case: Case, flags: Allowances) -> None:
    if (
        any(t.where is Where.OUTSIDE for t in case.targets.every)
        and decide(case.request, case.targets, flags).allowed
    ):
        tool = case.request.tool
        assert not is_write(tool)
        assert flags.commands if is_command(tool) else flags.external_reads


@properties
@given(cases(), FLAGS)
def test_nothing_unknown_or_malformed_is_allowed(case: Case, flags: Allowances) -> None:
    tool = case.request.tool
    named = {*tool.paths, *(c.path for c in tool.changes)}
    doubtful = (
        tool.malformed
        or tool.kind in {ToolKind.UNKNOWN, ToolKind.OTHER, ToolKind.THINK, ToolKind.SWITCH_MODE}
        or any(t.where is Where.UNKNOWN for t in case.targets.every)
        or not named <= {t.path for t in case.targets.files}
        or (tool.cwd is not None and case.targets.cwd is None)
        or not any(o.kind is OptionKind.ALLOW_ONCE for o in case.request.options)
    )
    if doubtful:
        assert not decide(case.request, case.targets, flags).allowed


@properties
@given(cases(), FLAGS)
def test_nothing_that_is_not_shown_is_allowed(case: Case, flags: Allowances) -> None:
    if not decide(case.request, case.targets, flags).allowed:
        return
    tool = case.request.tool
    once = {o.id for o in case.request.options if o.kind is OptionKind.ALLOW_ONCE}
    assert not once <= {o.id for o in case.request.options if o.kind is not OptionKind.ALLOW_ONCE}
    if is_command(tool):
        assert (tool.command or "").strip()
    elif is_write(tool):
        assert tool.changes or tool.kind is not ToolKind.EDIT
        assert len(set(tool.paths)) <= len({c.path for c in tool.changes}) or not tool.changes
        assert tool.changes or len(set(tool.paths)) > (tool.kind is ToolKind.MOVE)
    else:
        assert tool.status in {"", "pending"}
        assert "https://" in tool.title if tool.kind is ToolKind.FETCH else tool.paths


@properties
@given(cases())
def test_each_flag_opens_its_own_category_and_no_other(case: Case) -> None:
    tool = case.request.tool
    if decide(case.request, case.targets, NOTHING).allowed:
        assert tool.kind in {ToolKind.READ, ToolKind.SEARCH}
        assert not is_command(tool)
        assert not is_write(tool)
        assert all(t.where in {Where.INSIDE, Where.PROTECTED} for t in case.targets.every)
        return
    if decide(case.request, case.targets, COMMANDS).allowed:
        assert is_command(tool)
        assert not is_write(tool)
        assert tool.kind is not ToolKind.FETCH
    if decide(case.request, case.targets, WRITES).allowed:
        assert is_write(tool)
        assert not is_command(tool)
        assert tool.kind is not ToolKind.FETCH
        assert all(t.where is Where.INSIDE for t in case.targets.files)
    if decide(case.request, case.targets, READS).allowed:
        assert tool.kind in {ToolKind.READ, ToolKind.SEARCH, ToolKind.FETCH}
        assert not is_command(tool)
        assert not is_write(tool)


@properties
@given(cases(), FLAGS, FLAGS)
def test_a_flag_more_never_allows_less(case: Case, some: Allowances, others: Allowances) -> None:
    more = Allowances(
        some.external_reads or others.external_reads,
        some.writes or others.writes,
        some.commands or others.commands,
    )
    if decide(case.request, case.targets, some).allowed:
        assert decide(case.request, case.targets, more).allowed


@properties
@given(cases(), FLAGS)
def test_every_request_gets_one_decision_with_a_reason(case: Case, flags: Allowances) -> None:
    decision = decide(case.request, case.targets, flags)
    assert decision == decide(case.request, case.targets, flags)
    assert isinstance(decision.allowed, bool)
    assert decision.reason
    assert decision.reason.isprintable()


@properties
@given(cases(), st.sampled_from([ToolKind.READ, ToolKind.SEARCH]))
def test_more_evidence_of_danger_never_turns_ask_into_allow(case: Case, kind: ToolKind) -> None:
    """Softening a request by calling it a read is of no use while its command and its changes stand."""
    softened = replace(case.request, tool=replace(case.request.tool, kind=kind))
    if is_command(case.request.tool) and case.request.tool.command is not None:
        assert not decide(softened, case.targets, Allowances(external_reads=True, writes=True)).allowed
    if case.request.tool.changes:
        assert not decide(softened, case.targets, Allowances(external_reads=True, commands=True)).allowed
