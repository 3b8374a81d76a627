"""What is kept of a turn, what of it is the answer, and what of it is shown as progress."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.announced import SIZE_LIMIT
from codex_fusion.events import (
    ContextUse,
    FileChange,
    ModeChanged,
    Notice,
    Text,
    Thought,
    ToolCall,
    ToolKind,
    ToolUpdate,
    Update,
)
from codex_fusion.transcript import (
    ACTIVITY_LIMIT,
    LINE,
    MESSAGES_LIMIT,
    TAIL,
    TEXT_LIMIT,
    Transcript,
    describe_tool,
)


def transcript_of(*updates: Update) -> Transcript:
    transcript = Transcript()
    for update in updates:
        transcript.add(update)
    return transcript


def tool(call: str = "t1", **fields: str) -> ToolUpdate:
    return ToolUpdate(ToolCall(call, title=fields.get("title", ""), status=fields.get("status", "")))


# The answer


def test_a_turn_in_which_nothing_was_written_has_no_answer() -> None:
    assert Transcript().answer == ""
    assert Transcript().written == ""
    assert Transcript().doing == "starting"


def test_pieces_of_one_message_are_one_answer() -> None:
    transcript = transcript_of(Text("Ye", "m1"), Text("s.\n\n", "m1"), Text("Because.\n", "m1"))
    assert transcript.answer == "Yes.\n\nBecause."


def test_the_last_message_is_the_answer_and_everything_is_kept() -> None:
    transcript = transcript_of(Text("I look.", "m1"), Text("Found it.", "m2"))
    assert transcript.answer == "Found it."
    assert transcript.written == "I look.\n\nFound it."


def test_a_last_message_without_a_word_is_no_answer() -> None:
    transcript = transcript_of(Text("Yes.", "m1"), Text(" \n", "m2"))
    assert transcript.answer == "Yes."
    assert transcript.written == "Yes."


def test_commentary_is_no_answer_even_if_it_comes_last() -> None:
    transcript = transcript_of(Text("Yes.", "m1"), Text("I tidy up.", "m2", commentary=True))
    assert transcript.answer == "Yes."
    assert transcript.written == "Yes.\n\nI tidy up."


def test_commentary_is_the_answer_where_there_is_nothing_else() -> None:
    assert transcript_of(Text("I look.", "m1", commentary=True)).answer == "I look."


def test_without_ids_a_tool_call_divides_messages() -> None:
    transcript = transcript_of(Text("I lo"), Text("ok."), tool(), Text("Found"), Text(" it."))
    assert transcript.answer == "Found it."
    assert transcript.written == "I look.\n\nFound it."


def test_with_an_id_a_message_goes_on_after_a_tool_call() -> None:
    assert transcript_of(Text("Found", "m1"), tool(), Text(" it.", "m1")).answer == "Found it."


@pytest.mark.parametrize("name", [None, "m1"])
def test_what_an_earlier_prompt_brought_is_not_the_answer_to_the_next(name: str | None) -> None:
    transcript = transcript_of(Text("First I'd like to", name))
    transcript.begin_prompt()
    assert transcript.answer == ""
    transcript.add(Text("Without that: yes.", name))
    assert transcript.answer == "Without that: yes."
    assert transcript.written == "First I'd like to\n\nWithout that: yes."


def test_text_beyond_the_limit_is_counted_and_not_kept() -> None:
    transcript = transcript_of(Text("a" * (TEXT_LIMIT - 1), "m1"))
    transcript.add(Text("bcd", "m1"))
    assert transcript.add(Text("efg", "m2")) is None
    assert len(transcript.answer) == TEXT_LIMIT
    assert transcript.answer.endswith("ab")
    assert transcript.text_dropped == 5
    assert transcript.doing == "writing"


@given(st.lists(st.tuples(st.sampled_from(["m1", "m2"]), st.text("ab ", max_size=5)), max_size=30))
def test_no_piece_is_lost_and_the_order_is_kept(pieces: list[tuple[str, str]]) -> None:
    transcript = transcript_of(*(Text(f"<{text}>", name) for name, text in pieces))
    assert "".join(transcript.written.split("\n\n")) == "".join(f"<{text}>" for _, text in pieces)


# Progress


def test_running_text_is_shown_by_its_end_on_one_line() -> None:
    transcript = transcript_of(Text("First line.\n", "m1"))
    assert transcript.add(Text("\tSecond  line.", "m1")) == "First line. Second line."
    assert transcript.doing == "writing"


def test_of_a_long_text_only_the_end_is_shown() -> None:
    transcript = transcript_of(Text("a" * 10_000, "m1"))
    shown = transcript.add(Text("the end", "m1"))
    assert shown is not None
    assert shown.startswith("…aaa")
    assert shown.endswith("aaathe end")
    assert len(shown) == TAIL


def test_of_many_pieces_only_the_last_ones_are_shown() -> None:
    transcript = transcript_of(*(Text("a ", "m1") for _ in range(10_000)))
    shown = transcript.add(Text("end", "m1"))
    assert shown is not None
    assert shown.endswith("a a end")
    assert len(shown) <= TAIL


@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_piece_that_shows_nothing_is_no_progress(blank: str) -> None:
    transcript = Transcript()
    assert transcript.add(Text(blank, "m1")) is None
    assert transcript.doing == "writing"


def test_reasoning_is_shown_by_its_end_on_one_line_and_is_no_text() -> None:
    transcript = Transcript()
    assert transcript.add(Thought("**Look**\n\nThere ")) == "💭 **Look** There"
    assert transcript.add(Thought("it is.")) == "💭 **Look** There it is."
    assert transcript.add(Thought("x" * 1_000)) == f"💭 {'x' * TAIL}"
    assert transcript.doing == "thinking"
    assert transcript.written == ""


def test_the_use_of_the_context_is_kept_and_not_shown() -> None:
    transcript = Transcript()
    assert transcript.add(ContextUse(10, 100)) is None
    assert transcript.add(ContextUse(20, 100)) is None
    assert transcript.context == ContextUse(20, 100)


def test_what_the_agent_says_of_itself_is_activity() -> None:
    transcript = Transcript()
    assert transcript.add(Notice("Reconnecting… 1/5\n")) == "↳ Reconnecting… 1/5"
    assert transcript.doing == "Reconnecting… 1/5"
    assert transcript.activity == ["Reconnecting… 1/5"]


def test_a_change_of_mode_is_not_for_show() -> None:
    assert Transcript().add(ModeChanged("read-only")) is None


def test_a_line_of_activity_is_one_line_of_bounded_length() -> None:
    transcript = Transcript()
    assert transcript.note("denied r1:\n  run `ls`") == "↳ denied r1: run `ls`"
    assert transcript.note("x" * 1_000_000) == f"↳ {'x' * (LINE - 1)}…"
    transcript.add(Notice("y" * 1_000_000))
    assert transcript.doing == f"{'y' * (TAIL - 1)}…"


def test_of_much_activity_the_last_is_kept() -> None:
    transcript = Transcript()
    for number in range(ACTIVITY_LIMIT + 2):
        transcript.note(str(number))
    assert transcript.activity == [str(number) for number in range(2, ACTIVITY_LIMIT + 2)]


# Tool calls


def test_a_tool_call_is_shown_when_it_begins_and_when_more_is_known_of_it() -> None:
    transcript = Transcript()
    assert transcript.add(tool(title="Run a command", status="pending")) == "↳ Run a command"
    assert transcript.add(tool(status="in_progress")) is None
    assert (
        transcript.add(ToolUpdate(ToolCall("t1", command="git  diff\n--stat"))) == "↳ runs `git diff --stat`"
    )
    assert transcript.add(tool(status="completed")) is None
    assert transcript.doing == "runs `git diff --stat`"
    assert transcript.activity == ["Run a command", "runs `git diff --stat`"]


def test_a_tool_call_that_failed_is_shown_once() -> None:
    transcript = transcript_of(tool(title="Search"))
    assert transcript.add(tool(status="failed")) == "↳ failed: Search"
    assert transcript.add(tool(status="failed")) is None


def test_a_failure_is_told_even_if_nothing_was_known_of_the_call() -> None:
    transcript = Transcript()
    assert transcript.add(tool(title="Search", status="failed")) == "↳ failed: Search"
    assert transcript.doing == "Search"


def test_a_failure_is_told_with_what_is_new_in_it() -> None:
    transcript = transcript_of(tool(title="Search"))
    assert transcript.add(tool(title="Search a.py", status="failed")) == "↳ failed: Search a.py"


def test_what_is_known_of_a_call_adds_up() -> None:
    transcript = transcript_of(ToolUpdate(ToolCall("t1", kind=ToolKind.EDIT)), tool("t2"))
    assert transcript.add(ToolUpdate(ToolCall("t1", paths=("a.py",)))) == "↳ edits a.py"


def test_a_call_that_is_too_large_to_be_kept_is_still_told() -> None:
    large = ToolUpdate(ToolCall("t1", kind=ToolKind.EXECUTE, command="x" * (SIZE_LIMIT + 1)))
    assert transcript_of().add(large) == "↳ a tool call (execute)"


def test_so_many_messages_are_kept_and_the_text_of_the_others_is_counted() -> None:
    transcript = transcript_of(*(Text(f"{n} ", f"m{n}") for n in range(MESSAGES_LIMIT + 2)))
    assert transcript.written.endswith(f"\n\n{MESSAGES_LIMIT - 1}")
    assert transcript.text_dropped == 2 * len(f"{MESSAGES_LIMIT} ")


def test_a_message_in_the_smallest_pieces_takes_little_more_memory_than_its_text() -> None:
    transcript = Transcript()
    letters = range(0x4E00, 0x4E00 + 5_000)
    tracemalloc.start()
    for letter in letters:
        transcript.add(Text(chr(letter), "m"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert transcript.answer == "".join(map(chr, letters))
    assert kept < 200_000


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (ToolCall("t", title="Run ls", kind=ToolKind.EXECUTE, command="ls -l"), "runs `ls -l`"),
        (ToolCall("t", command=""), "runs ``"),
        (ToolCall("t", kind=ToolKind.EDIT, paths=("a.py", "b.py")), "edits a.py, b.py"),
        (ToolCall("t", kind=ToolKind.EDIT, changes=(FileChange("c.py", None, ""),)), "edits c.py"),
        (ToolCall("t", kind=ToolKind.DELETE, paths=("a.py",)), "deletes a.py"),
        (ToolCall("t", kind=ToolKind.MOVE, paths=("a.py", "b.py")), "moves a.py, b.py"),
        (ToolCall("t", kind=ToolKind.EDIT, paths=("a\nb.py",)), "edits a b.py"),
        (ToolCall("t", kind=ToolKind.EDIT, title="Edit something"), "Edit something"),
        (ToolCall("t", kind=ToolKind.READ, title="Read\n a.py", paths=("a.py",)), "Read a.py"),
        (ToolCall("t", kind=ToolKind.FETCH), "a tool call (fetch)"),
        (ToolCall("t", command="x" * 1_000), f"runs `{'x' * (TAIL - 1)}…`"),
        (ToolCall("t", kind=ToolKind.EDIT, paths=("x" * 1_000,)), f"edits {'x' * (TAIL - 7)}…"),
    ],
)
def test_a_tool_call_in_one_line(call: ToolCall, line: str) -> None:
    assert describe_tool(call) == line
