"""What the guardian allows by itself, and why it asks about the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codex_fusion.events import Option, OptionKind, ToolKind
from codex_fusion.policy import Decision, Target, Targets, Where, decide, grant
from tests.support.permission_requests import (
    ALL_FLAGS,
    ALWAYS,
    CANCEL,
    NOTHING,
    ONCE,
    WRITES,
    allowing,
    at,
    inside,
    request,
    target,
    with_flag,
)

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
