"""The nine tools as a client sees them, and what it is told of arguments that can't be taken."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from codex_fusion.config import Allowances, Config, Confinement, WhoPermits
from codex_fusion.errors import CallError
from codex_fusion.tools import (
    INSTRUCTIONS,
    NAMED,
    SHOWN,
    TEXT_LIMIT,
    TOOLS,
    Arguments,
    Brainstorm,
    Consult,
    Explore,
    Permit,
    Reply,
    Reset,
    ReviewDiff,
    ReviewPlan,
    Status,
    Tool,
    description,
    hints,
    input_schema,
    instructions,
    parse,
)

NAMES = [tool.name for tool in TOOLS]
CONFIGS = [
    Config(Path("/ws"), allow=Allowances(*allow), confinement=confinement)
    for *allow, confinement in itertools.product((False, True), (False, True), (False, True), Confinement)
]
SAMPLES: dict[str, dict[str, Any]] = {
    "consult": {"question": "q"},
    "review_plan": {"plan": "p"},
    "review_diff": {},
    "brainstorm": {"problem": "p"},
    "explore": {},
    "reply": {"message": "m"},
    "permit": {"decision": "allow"},
    "reset": {},
    "status": {},
}
"""As little as each tool takes."""
TAKES = {
    "consult": "`consult` takes `question`, `context` (optional), `timeout_s` (optional).",
    "review_plan": "`review_plan` takes `plan`, `context` (optional), `timeout_s` (optional).",
    "review_diff": (
        "`review_diff` takes `diff` (optional), `base` (optional), `commit` (optional), `paths` (optional),"
        " `instructions` (optional), `timeout_s` (optional)."
    ),
    "brainstorm": "`brainstorm` takes `problem`, `constraints` (optional), `timeout_s` (optional).",
    "explore": "`explore` takes `focus` (optional), `paths` (optional), `timeout_s` (optional).",
    "reply": "`reply` takes `message`, `timeout_s` (optional).",
    "permit": "`permit` takes `decision`, `note` (optional), `request` (optional), `what` (optional).",
    "reset": "`reset` takes no arguments.",
    "status": "`status` takes no arguments.",
}
TIMED = [name for name in NAMES if "timeout_s" in TAKES[name]]


def tool_named(name: str) -> Tool:
    return next(tool for tool in TOOLS if tool.name == name)


def definition(tool: Tool, config: Config | None) -> dict[str, Any]:
    """Everything that `tools/list` sends of a tool."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": input_schema(tool),
        "annotations": hints(tool, config),
    }


def refused(name: str, arguments: dict[str, Any]) -> CallError:
    with pytest.raises(CallError) as caught:
        parse(name, arguments)
    return caught.value


# What a client is told


@pytest.mark.parametrize("config", [None, *CONFIGS])
def test_all_definitions_together_are_short(config: Config | None) -> None:
    sent = json.dumps({"tools": [definition(tool, config) for tool in TOOLS]}, indent=1)
    assert len(sent) < 8_000


def test_a_client_shows_instructions_and_descriptions_whole() -> None:
    assert len(INSTRUCTIONS.encode()) <= 2_048
    human = Config(Path("/ws"), permit=WhoPermits.HUMAN)
    assert len(instructions(human).encode()) <= 2_048
    assert all(len(description(tool, human).encode()) <= 2_048 for tool in TOOLS)


def test_that_a_person_is_asked_is_told_where_it_is_so_and_nowhere_else() -> None:
    human = Config(Path("/ws"), permit=WhoPermits.HUMAN)
    told = "A person will be asked at each `permit`"
    assert told in instructions(human)
    assert [tool.name for tool in TOOLS if told in description(tool, human)] == ["permit"]
    for config in (None, Config(Path("/ws"))):
        assert instructions(config) == INSTRUCTIONS
        assert all(description(tool, config) == tool.description for tool in TOOLS)


def test_only_where_the_client_shows_a_person_the_call_it_must_say_what_is_asked() -> None:
    permit = tool_named("permit")
    assert "what" not in input_schema(permit)["properties"]
    confirmed = input_schema(permit, confirms=True)
    assert "word for word" in confirmed["properties"]["what"]["description"]
    assert confirmed["required"] == ["decision", "what"]
    assert input_schema(tool_named("consult"), confirms=True) == input_schema(tool_named("consult"))


def test_there_are_nine_tools() -> None:
    assert len(TOOLS) == 9
    assert {*NAMES} == {*SAMPLES}


def test_a_schema_tells_a_client_what_may_be_given_and_no_more() -> None:
    assert input_schema(tool_named("permit")) == {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": ["allow", "deny"]},
            "note": {
                "type": "string",
                "description": "With `deny`, told to Codex: why, or what to do instead.",
            },
            "request": {"type": "string", "description": "Its id; needed when several are open."},
        },
        "additionalProperties": False,
        "required": ["decision"],
    }
    assert input_schema(tool_named("explore"))["properties"] == {
        "focus": {"type": "string", "description": "What you want to understand."},
        "paths": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Files or folders to look at, relative to the workspace.",
        },
        "timeout_s": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 86_400,
            "description": "Seconds of active work for this call.",
        },
    }
    assert input_schema(tool_named("reset")) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


@pytest.mark.parametrize("tool", TOOLS, ids=NAMES)
def test_a_schema_names_exactly_the_arguments_that_are_taken(tool: Tool) -> None:
    schema = input_schema(tool)
    taken = re.findall(r"`(\w+)`", TAKES[tool.name])[1:]
    assert [*schema["properties"]] == [name for name in taken if name != "what"]
    assert schema.get("required", []) == [*SAMPLES[tool.name]]


# Annotations


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", ["consult", "review_plan", "review_diff", "brainstorm", "explore", "reply"])
def test_asking_is_read_only_exactly_where_codex_can_change_nothing(name: str, config: Config) -> None:
    changes_nothing = config.allow == Allowances() and config.confinement is not Confinement.AGENT
    assert hints(tool_named(name), config) == {
        "readOnlyHint": changes_nothing,
        "destructiveHint": not changes_nothing,
        "openWorldHint": True,
    }


@pytest.mark.parametrize("config", [None, *CONFIGS])
def test_the_other_tools_are_what_they_are_whatever_is_configured(config: Config | None) -> None:
    assert hints(tool_named("permit"), config) == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "openWorldHint": True,
    }
    for name, reads in (("reset", False), ("status", True)):
        assert hints(tool_named(name), config) == {
            "readOnlyHint": reads,
            "destructiveHint": not reads,
            "idempotentHint": True,
            "openWorldHint": False,
        }


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.asks], ids=lambda tool: tool.name)
def test_a_configuration_that_is_wrong_lets_nothing_run(tool: Tool) -> None:
    assert hints(tool, None)["readOnlyHint"]


# Arguments that are taken


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("consult", {"question": "q", "context": "c", "timeout_s": 5}, Consult),
        ("review_plan", {"plan": "p", "context": "c", "timeout_s": 0.5}, ReviewPlan),
        ("review_diff", {"diff": "d"}, ReviewDiff),
        ("review_diff", {"base": "main", "paths": ["a", "b"], "instructions": "i"}, ReviewDiff),
        ("review_diff", {"commit": "abc", "timeout_s": 86_400}, ReviewDiff),
        ("brainstorm", {"problem": "p", "constraints": "c", "timeout_s": 1}, Brainstorm),
        ("explore", {"focus": "f", "paths": [], "timeout_s": 1}, Explore),
        ("reply", {"message": "m", "timeout_s": 1}, Reply),
        ("permit", {"decision": "deny", "note": "n", "request": "r1"}, Permit),
        ("reset", {}, Reset),
        ("status", {}, Status),
    ],
)
def test_what_is_valid_is_taken_as_it_is(name: str, arguments: dict[str, Any], kind: type[Arguments]) -> None:
    parsed = parse(name, arguments)
    assert type(parsed) is kind
    assert parsed.model_dump(exclude_unset=True) == arguments


@pytest.mark.parametrize("name", NAMES)
def test_an_argument_that_is_null_was_not_given(name: str) -> None:
    nulls = dict.fromkeys(tool_named(name).arguments.model_fields)
    assert parse(name, {**nulls, **SAMPLES[name]}) == parse(name, SAMPLES[name])


@pytest.mark.parametrize("name", ["review_diff", "explore", "reset", "status"])
def test_what_takes_nothing_may_come_without_arguments(name: str) -> None:
    assert parse(name, None) == parse(name, {})


def test_a_text_may_be_as_long_as_the_limit() -> None:
    assert parse("consult", {"question": "q" * TEXT_LIMIT}) == Consult(question="q" * TEXT_LIMIT)


# Arguments that are refused


def test_an_unknown_tool_is_named_and_so_are_those_there_are() -> None:
    error = refused("ask", {})
    assert str(error) == "There is no tool 'ask'."
    assert error.remedy == f"The tools are: {', '.join(NAMES)}."


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_argument_is_named_and_so_are_the_valid_ones(name: str) -> None:
    error = refused(name, {**SAMPLES[name], "quesiton": "q"})
    assert str(error) == f"`{name}` can't take these arguments: unknown argument `quesiton`."
    assert error.remedy == TAKES[name]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("consult", "question"),
        ("review_plan", "plan"),
        ("brainstorm", "problem"),
        ("reply", "message"),
        ("permit", "decision"),
    ],
)
def test_a_missing_argument_is_named(name: str, missing: str) -> None:
    for arguments in ({}, {missing: None}):
        error = refused(name, arguments)
        assert str(error) == f"`{name}` can't take these arguments: `{missing}` is missing."
        assert error.remedy == TAKES[name]


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name in NAMES
        for argument in tool_named(name).arguments.model_fields
        if argument not in ("timeout_s", "decision", "paths")
    ],
)
def test_every_text_must_be_a_text_and_not_empty(name: str, argument: str) -> None:
    wrong, empty = (refused(name, {**SAMPLES[name], argument: value}) for value in (5, ""))
    assert str(wrong) == f"`{name}` can't take these arguments: `{argument}` is 5: should be a valid string."
    assert str(empty) == f"`{name}` can't take these arguments: `{argument}` is empty."


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(
    ("value", "shown", "valid"),
    [
        (0, "0", "greater than 0"),
        (-1.5, "-1.5", "greater than 0"),
        (86_401, "86401", "less than or equal to 86400"),
        (float("inf"), "inf", "less than or equal to 86400"),
        (float("nan"), "nan", "less than or equal to 86400"),
        ("60", "'60'", "a valid number"),
        (True, "True", "a valid number"),
    ],
)
def test_a_time_limit_must_mean_a_time(name: str, value: object, shown: str, valid: str) -> None:
    error = refused(name, {**SAMPLES[name], "timeout_s": value})
    assert str(error) == f"`{name}` can't take these arguments: `timeout_s` is {shown}: should be {valid}."


@pytest.mark.parametrize("name", ["review_diff", "explore"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a.py", "`paths` is 'a.py': should be a valid list"),
        (["a.py", ""], "`paths`[1] is empty"),
        ([5, "", {}], "`paths`[0] is 5: should be a valid string"),
    ],
)
def test_paths_are_a_list_of_texts(name: str, value: object, problem: str) -> None:
    assert str(refused(name, {"paths": value})) == f"`{name}` can't take these arguments: {problem}."


@pytest.mark.parametrize("value", ["maybe", "Allow", "", True])
def test_a_decision_is_allow_or_deny(value: object) -> None:
    assert str(refused("permit", {"decision": value})) == (
        f"`permit` can't take these arguments: `decision` is {value!r}: should be 'allow' or 'deny'."
    )


@pytest.mark.parametrize(
    "given", [("diff", "base"), ("diff", "commit"), ("base", "commit"), ("diff", "base", "commit")]
)
def test_only_one_set_of_changes_is_reviewed_at_a_time(given: tuple[str, ...]) -> None:
    error = refused("review_diff", dict.fromkeys(given, "x"))
    names = ", ".join(f"`{name}`" for name in given)
    assert str(error) == f"`review_diff` got contradictory arguments: {names}."
    assert error.remedy == "Give one of `diff`, `base`, `commit`, or none of them."


def test_all_problems_are_told_at_once() -> None:
    assert str(refused("consult", {"context": 5, "timeout_s": 0, "base": "main"})) == (
        "`consult` can't take these arguments: `question` is missing;"
        " `context` is 5: should be a valid string;"
        " `timeout_s` is 0: should be greater than 0;"
        " unknown argument `base`."
    )


@pytest.mark.parametrize("value", ["q" * (TEXT_LIMIT + 1), ["q" * TEXT_LIMIT, "q", 5]])
def test_an_argument_that_is_too_long_is_refused_with_its_length(value: object) -> None:
    error = refused("explore", {"paths": value})
    assert str(error) == "`explore` got 1,000,001 characters in `paths`; at most 1,000,000 are taken."
    assert "name files" in error.remedy


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("x" * 1_000_000, {}),
        ("consult", {"x" * 1_000_000: 1}),
        ("consult", {"x" * 1_000_000: "x" * (TEXT_LIMIT + 1)}),
        ("consult", {"question": {"x": "x" * 1_000_000}}),
        ("consult", {f"x{number}": 1 for number in range(10_000)}),
        ("explore", {"paths": list(range(100_000))}),
    ],
    ids=["tool", "name", "name of a long one", "value", "names", "items"],
)
def test_an_error_stays_readable_whatever_was_given(name: str, arguments: dict[str, Any]) -> None:
    assert len(refused(name, arguments).explain()) < 1_000


def test_of_many_unknown_arguments_the_first_are_named() -> None:
    message = str(refused("reset", {f"x{number}": 1 for number in range(100)}))
    assert message.count("unknown argument") == NAMED
    assert message.endswith(f"unknown argument `x{NAMED - 1}`.")


def test_a_long_value_is_cut() -> None:
    message = str(refused("permit", {"decision": "x" * 100}))
    assert f"`decision` is '{'x' * (SHOWN - 2)}…: should be" in message
