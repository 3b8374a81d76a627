"""The nine tools as a client sees them: names, descriptions, arguments. Pure.

Claude Code 2.1 cuts descriptions at 2 KB; all nine definitions together stay under 8,000 characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from codex_fusion.config import Config, Confinement, WhoPermits
from codex_fusion.errors import CallError

TEXT_LIMIT = 1_000_000
"""Characters of one argument. More than Codex's context holds, and little enough to carry about."""
SHOWN = 60
"""Characters of a name or a value that an error repeats."""
NAMED = 5
"""Unknown names that an error repeats."""

INSTRUCTIONS = """\
codex-fusion asks OpenAI's Codex, another model family that makes other mistakes, for a second opinion.
Use it before a decision that is costly to undo, when a plan or a diff is ready, when you are stuck, or in \
unknown code.
Say what you think and why, and what you are unsure of: Codex reads the workspace himself, so point to files \
instead of pasting them.
It is a debate: when a result says OPEN, push back with `reply` or concede; after about three rounds settle, \
and tell the user where you and Codex differ. You decide; Codex advises.
Codex may read the workspace. When he asks for more, the tool returns 🔐 with the request: judge it as you \
would judge your own command, then answer with `permit`. One question at a time: calls are served in turn."""

Text = Annotated[str, Field(pattern=r"\S")]
Limit = Annotated[float | None, Field(gt=0, le=86_400, description="Seconds of active work for this call.")]
Paths = Annotated[
    list[Text], FailFast(), Field(description="Files or folders to look at, relative to the workspace.")
]


class Arguments(BaseModel):
    """Of one tool. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Consult(Arguments):
    """A question, and what Codex can't see."""

    question: Annotated[Text, Field(description="One question, with what you think and why.")]
    context: Annotated[Text | None, Field(description="What Codex can't see in the workspace.")] = None
    timeout_s: Limit = None


class ReviewPlan(Arguments):
    """A plan, and what it is for."""

    plan: Text
    context: Annotated[Text | None, Field(description="Goal, constraints, what was ruled out.")] = None
    timeout_s: Limit = None


class ReviewDiff(Arguments):
    """At most one of `diff`, `base` and `commit`."""

    diff: Annotated[
        Text | None, Field(description="A unified diff; better leave it out and let Codex run git.")
    ] = None
    base: Annotated[Text | None, Field(description="Branch or revision: the changes since it.")] = None
    commit: Annotated[Text | None, Field(description="The changes of one commit.")] = None
    paths: Paths = []
    instructions: Annotated[Text | None, Field(description="What to look for; what the change is for.")] = (
        None
    )
    timeout_s: Limit = None


class Brainstorm(Arguments):
    """A problem, and what a solution must respect."""

    problem: Text
    constraints: Text | None = None
    timeout_s: Limit = None


class Explore(Arguments):
    """What to look at; all of it is optional."""

    focus: Annotated[Text | None, Field(description="What you want to understand.")] = None
    paths: Paths = []
    timeout_s: Limit = None


class Reply(Arguments):
    """The next word in the debate."""

    message: Annotated[Text, Field(description="Your counter-argument, concession or question.")]
    timeout_s: Limit = None


class Permit(Arguments):
    """The decision, and which request it is for."""

    decision: Literal["allow", "deny"]
    note: Annotated[
        Text | None, Field(description="With `deny`, told to Codex: why, or what to do instead.")
    ] = None
    request: Annotated[Text | None, Field(description="Its id; needed when several are open.")] = None
    what: Annotated[
        Text | None,
        Field(
            description="For the person who is asked: the command, word for word; "
            "where there is none, the line after the id."
        ),
    ] = None


class Reset(Arguments):
    """None."""


class Status(Arguments):
    """None."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what a client is told of it, and what its arguments are."""

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    asks: bool = False
    """Does it ask Codex to work (and so inherits what Codex may do)?"""
    one_of: ClassVar[dict[str, tuple[str, ...]]] = {"review_diff": ("diff", "base", "commit")}
    """Arguments of which at most one may be given."""

    @property
    def answers(self) -> bool:
        """Whether its result can be an answer of Codex's, of any length."""
        return self.asks or self.name == "permit"


TOOLS = (
    Tool(
        "consult",
        "Ask Codex",
        "A second opinion on one question or decision. Use it when you are about to choose something costly "
        "to undo, or are unsure.",
        Consult,
        asks=True,
    ),
    Tool(
        "review_plan",
        "Codex reviews a plan",
        "Codex looks for what a plan misses, before you carry it out: problems by severity, blind spots, "
        "what to keep.",
        ReviewPlan,
        asks=True,
    ),
    Tool(
        "review_diff",
        "Codex reviews changes",
        "Codex reviews changes: uncommitted ones by default, else since `base`, of one `commit`, or a pasted "
        "`diff` (one of them). Use it before you call work done.",
        ReviewDiff,
        asks=True,
    ),
    Tool(
        "brainstorm",
        "Brainstorm with Codex",
        "Two to four distinct approaches with trade-offs, and a recommendation. Use it when you are stuck, "
        "or only see one way.",
        Brainstorm,
        asks=True,
    ),
    Tool(
        "explore",
        "Codex explores the code",
        "Codex explains unknown code: components and where they live, main flow, conventions. Not a debate.",
        Explore,
        asks=True,
    ),
    Tool(
        "reply",
        "Reply to Codex",
        "The next round of the debate, in the same session: push back where you disagree, say what you "
        "concede.",
        Reply,
        asks=True,
    ),
    Tool(
        "permit",
        "Decide Codex's request",
        "Decide what Codex waits for (🔐). `allow` is for that one request; `deny` reaches him with your "
        "note. The same turn then goes on.",
        Permit,
    ),
    Tool(
        "reset",
        "Reset Codex",
        "Drop Codex's context, and any turn under way: the next call starts fresh.",
        Reset,
    ),
    Tool(
        "status",
        "Codex's status",
        "Is Codex there, what is he doing, what may he do. Starts nothing.",
        Status,
    ),
)

_ASKED = "A person will be asked at each `permit`, and decides; yours is a proposal."
_UNTOLD = ("title", "default", "anyOf", "pattern")
"""Of a field's schema: what only costs characters. That a text may not be blank needs no telling."""
_BY_NAME = {tool.name: tool for tool in TOOLS}


def input_schema(tool: Tool, *, confirms: bool = False) -> dict[str, Any]:
    """The JSON schema of a tool's arguments, without what only costs characters.

    `confirms`: the client shows the person the arguments of `permit`, so they must say what it is about.
    """
    schema = tool.arguments.model_json_schema()
    properties: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        if name == "what" and not confirms:
            continue
        optional: dict[str, Any] = next((v for v in field.get("anyOf", ()) if v.get("type") != "null"), {})
        properties[name] = {k: v for k, v in {**optional, **field}.items() if k not in _UNTOLD}
        properties[name].get("items", {}).pop("pattern", None)
    result: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if schema.get("required"):
        result["required"] = schema["required"] + ["what"] * ("what" in properties)
    return result


def instructions(config: Config | None) -> str:
    """What a client is told of all of it."""
    return f"{INSTRUCTIONS} {_ASKED}" if asks_a_person(config) else INSTRUCTIONS


def description(tool: Tool, config: Config | None) -> str:
    """What a client is told of a tool."""
    if tool.name == "permit" and asks_a_person(config):
        return f"{tool.description} {_ASKED}"
    return tool.description


def asks_a_person(config: Config | None) -> bool:
    """Whether a person decides what Codex asks for."""
    return config is not None and config.permit is WhoPermits.HUMAN


def hints(tool: Tool, config: Config | None) -> dict[str, bool]:
    """MCP's hints, honest: asking is read-only exactly where the configuration lets Codex change nothing.

    A configuration with problems (None) runs nothing at all.
    """
    if tool.asks:
        opened = config is not None and (
            config.allow.writes
            or config.allow.commands
            or config.allow.external_reads  # that opens the network too
            or config.confinement is Confinement.AGENT
        )
        return {"readOnlyHint": not opened, "destructiveHint": opened, "openWorldHint": True}
    if tool.name == "permit":
        return {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True}
    reads = tool.name == "status"
    # A reset destroys what Codex remembers, and the turn under way.
    return {
        "readOnlyHint": reads,
        "destructiveHint": not reads,
        "idempotentHint": True,
        "openWorldHint": False,
    }


def parse(name: str, arguments: dict[str, Any] | None) -> Arguments:
    """The arguments of a call, checked.

    :raises CallError: naming the tool or the arguments, and what is valid.
    """
    tool = _BY_NAME.get(name)
    if tool is None:
        raise CallError(f"There is no tool {_short(repr(name))}.", f"The tools are: {', '.join(_BY_NAME)}.")
    given = {k: v for k, v in (arguments or {}).items() if v is not None}
    for key in [key for key in given if key not in tool.arguments.model_fields][NAMED:]:
        del given[key]
    contradictory = [n for n in Tool.one_of.get(name, ()) if n in given]
    if len(contradictory) > 1:
        raise CallError(
            f"`{name}` got contradictory arguments: {_names(contradictory)}.",
            f"Give one of {_names(Tool.one_of[name])}, or none of them.",
        )
    for key, value in given.items():
        if (size := _size(value)) > TEXT_LIMIT:
            raise CallError(
                f"`{name}` got {size:,} characters in `{_short(key)}`; at most {TEXT_LIMIT:,} are taken.",
                "Codex reads the workspace himself: name files, or a `base` or `commit`, "
                "instead of pasting them.",
            )
    try:
        return tool.arguments.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(dict.fromkeys(_problem(e) for e in error.errors(include_url=False)))
        raise CallError(f"`{name}` can't take these arguments: {problems}.", _valid(tool)) from None


def _size(value: object) -> int:
    """How many characters an argument holds."""
    if isinstance(value, list):
        return sum(len(item) for item in value if isinstance(item, str))
    return len(value) if isinstance(value, str) else 0


def _problem(error: Any) -> str:  # noqa: ANN401 pydantic's ErrorDetails, a dict
    where = "".join(f"[{p}]" if isinstance(p, int) else f"`{_short(p)}`" for p in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return f"unknown argument {where}"
        case "missing":
            return f"{where} is missing"
        case "string_pattern_mismatch":
            return f"{where} is empty"
        case _:
            return f"{where} is {_short(repr(error['input']))}: {error['msg'].removeprefix('Input ')}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _valid(tool: Tool) -> str:
    fields = tool.arguments.model_fields
    if not fields:
        return f"`{tool.name}` takes no arguments."
    names = [f"`{n}`" + ("" if f.is_required() else " (optional)") for n, f in fields.items()]
    return f"`{tool.name}` takes {', '.join(names)}."


def _names(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{n}`" for n in names)
