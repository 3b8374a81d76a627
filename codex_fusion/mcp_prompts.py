"""The MCP prompts: what the plugin's commands are in Claude Code, for every other client. Pure; knows no MCP.

The text of each is that of the plugin's command, word for word (tests/unit/test_mcp_prompts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_fusion.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

GIVEN = "$ARGUMENTS"
"""Where the argument goes; so Claude Code writes it in a command."""
WHOLE = "If <command-args> stands before this and says more than that one word, it is what the user said."
"""Claude Code 2.1 splits what was typed at its spaces, and passes a prompt's one argument the first word."""


@dataclass(frozen=True, slots=True)
class Argument:
    """The one argument of a prompt."""

    name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person can have an assistant do."""

    name: str
    title: str
    description: str
    text: str
    argument: Argument | None = None


PROMPTS = (
    Prompt(
        "ask",
        "Ask Codex",
        "Ask Codex a question, and have Claude judge the answer",
        """\
Ask Codex: $ARGUMENTS

Use `consult`, or `brainstorm` if the user wants ideas, or `explore` if the question is how this code works.
Add as `context` what Codex can't see in the workspace. If the question is empty, ask the user for it.

Check what he says where it can be checked, and argue with `reply` where you disagree. Then tell the user
his answer, whether you agree, and why.
""",
        Argument("question", "What to ask.", required=True),
    ),
    Prompt(
        "plan",
        "Codex reviews a plan",
        "Codex looks for what a plan misses, before it is carried out",
        """\
Have Codex review a plan with `review_plan`.

The user adds: $ARGUMENTS

Without more, it is the plan that you made in this conversation; if there is none, make one first. Codex has
not seen this conversation: the plan must stand alone, and `context` has the goal, the constraints and what
was ruled out.

Check what he objects to. Concede where he is right, push back with `reply` where he is not, for three
rounds at most. Then give the user the revised plan, what changed and why, and where you and Codex still
differ.
""",
        Argument("plan", "The plan, or a file that holds it; without it, the one of this conversation."),
    ),
    Prompt(
        "review",
        "Codex reviews changes",
        "Codex reviews your changes, and Claude judges what he finds",
        """\
Have Codex review the changes with `review_diff`: the uncommitted ones, unless the user names something
else.

The user adds: $ARGUMENTS

If that names a branch, pass it as `base`; a commit, as `commit`; folders or files, as `paths`. The rest
goes into `instructions`, together with what the change is for, as far as you know it. If there is nothing
to review, say so.

Check each finding in the code before you believe it. Argue with `reply` where you disagree. Then report:
what to fix (most serious first, with file:line), what you reject and why, where you and Codex still differ.
Change no code unless the user asks for it.
""",
        Argument("base", "Base branch, commit, or what to look for; without it, what is uncommitted."),
    ),
    Prompt(
        "status",
        "Codex's status",
        "Is Codex there, what is he doing, and what may he do",
        """\
Call the tool `status` of Codex, and tell the user what it says, in a few lines: what works, what is
pending, what is wrong and the remedy. Do nothing else.
""",
    ),
)
_BY_NAME = {prompt.name: prompt for prompt in PROMPTS}


def text(name: str, arguments: Mapping[str, str] | None) -> str:
    """The prompt, filled in.

    :raises CallError: there is no such prompt, or its argument is missing, or there is another one.
    """
    prompt = _BY_NAME.get(name)
    if prompt is None:
        raise CallError(f"There is no prompt {name[:100]!r}.", f"The prompts are: {', '.join(_BY_NAME)}.")
    given, wanted = dict(arguments or {}), prompt.argument
    value = (given.pop(wanted.name, "") if wanted is not None else "").strip()
    takes = f"`{name}` takes {f'`{wanted.name}`' if wanted is not None else 'no argument'}."
    if given:
        raise CallError(f"`{name}` got an unknown argument: `{next(iter(given))[:100]}`.", takes)
    if wanted is None:
        return prompt.text
    if wanted.required and not value:
        raise CallError(f"`{wanted.name}` is missing.", takes)
    filled = prompt.text.replace(GIVEN, value or "(nothing)", 1)
    return f"{filled}\n{WHOLE}\n" if len(value.split()) == 1 else filled
