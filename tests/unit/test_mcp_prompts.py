"""The prompts say what the plugin's commands say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codex_fusion import mcp_prompts
from codex_fusion.errors import CallError
from codex_fusion.mcp_prompts import PROMPTS, WHOLE

COMMANDS = Path(__file__).parents[2] / ".claude-plugin" / "commands"


def paragraphs(text: str) -> list[str]:
    """Each on one line: where a line is broken is of no matter."""
    return [" ".join(part.split()) for part in text.strip().split("\n\n")]


def test_each_command_of_the_plugin_is_a_prompt_and_no_other() -> None:
    assert sorted(prompt.name for prompt in PROMPTS) == sorted(file.stem for file in COMMANDS.glob("*.md"))


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: str(prompt.name))
def test_a_prompt_is_word_for_word_the_command(prompt: mcp_prompts.Prompt) -> None:
    _, head, body = (COMMANDS / f"{prompt.name}.md").read_text("utf-8").split("---\n", 2)
    assert paragraphs(prompt.text) == paragraphs(body)
    assert f"description: {prompt.description}\n" in head
    hint = re.search(r'argument-hint: "(.)', head)
    assert {"<": True, "[": False}.get(hint[1] if hint else "") == (
        prompt.argument.required if prompt.argument else None
    )


def test_what_the_user_says_stands_where_the_command_has_it() -> None:
    assert mcp_prompts.text("ask", {"question": " Is it safe? "}).startswith("Ask Codex: Is it safe?\n\n")
    assert "The user adds: $ARGUMENTS twice\n" in mcp_prompts.text("plan", {"plan": "$ARGUMENTS twice"})


@pytest.mark.parametrize("arguments", [None, {}, {"base": ""}, {"base": " \n"}])
def test_what_is_optional_may_be_left_out(arguments: dict[str, str] | None) -> None:
    told = mcp_prompts.text("review", arguments)
    assert "The user adds: (nothing)\n" in told
    assert WHOLE not in told


def test_a_single_word_may_be_all_that_a_client_passes_on() -> None:
    assert mcp_prompts.text("ask", {"question": "Is"}).endswith(f"\n\n{WHOLE}\n")
    assert WHOLE not in mcp_prompts.text("ask", {"question": "Is it?"})


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("burn", {}, ["no prompt 'burn'", "ask, plan, review, status"]),
        ("ask", None, ["`question` is missing", "`ask` takes `question`"]),
        ("ask", {"question": " "}, ["`question` is missing"]),
        ("ask", {"prompt": "x", "question": "q"}, ["unknown argument: `prompt`", "takes `question`"]),
        ("status", {"verbose": "1"}, ["unknown argument: `verbose`", "`status` takes no argument"]),
    ],
)
def test_a_prompt_that_means_nothing_is_refused_in_words(
    name: str, arguments: dict[str, str] | None, told: list[str]
) -> None:
    with pytest.raises(CallError) as raised:
        mcp_prompts.text(name, arguments)
    assert all(words in raised.value.explain() for words in told), raised.value.explain()


def test_status_is_the_same_for_everybody() -> None:
    assert mcp_prompts.text("status", None).startswith("Call the tool `status` of Codex")
