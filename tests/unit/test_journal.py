"""What the operator gets: a line per turn on stderr, in the log everything that happened, and no secrets."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from codex_fusion.errors import AgentStartError
from codex_fusion.events import ContextUse, Notice, Text, Thought, ToolCall, ToolKind, ToolUpdate
from codex_fusion.journal import EVENTS_LIMIT, FIELDS_LIMIT, TEXT_LIMIT, Journal
from codex_fusion.outcome import Outcome, Status
from tests.support.desk import at_work

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.desk import Desk

pytestmark = pytest.mark.anyio

KEY = "sk-" + "a1b2c3d4" * 6
NOT_RUN = Outcome(Status.FAILED, "consult", 1)


def told(capfd: pytest.CaptureFixture[str], event: str) -> list[str]:
    """The lines of this kind on stderr so far."""
    out, err = capfd.readouterr()
    assert out == "", "only the protocol goes to stdout"
    return [line for line in err.splitlines() if f" event={event} " in line]


def closed(log: Path, *items: object, prompt: str = "a question") -> dict[str, Any]:
    """The full record of a turn in which that happened."""
    journal = Journal(log)
    record = journal.record(prompt)
    for item in items:
        record.event(item, 1.0)
    record.close(NOT_RUN, None, {})
    found: dict[str, Any] = json.loads(log.read_text())
    return found


# --- the line


async def test_each_turn_is_one_line(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    prompt, _ = await desk.paused()
    permit = desk.permit()
    await desk.changes.until(lambda: bool(desk.agent.answered))
    prompt.answers("done\n\nVERDICT: OPEN — why?")
    await permit.outcome()
    (line,) = told(capfd, "turn")
    parts = shlex.split(line)
    assert parts[0].startswith("timestamp=")
    assert parts[1:6] == ["level=info", "event=turn", "turn=1", "tool=consult", "status=answered"]
    assert parts[7:] == [
        "round=1",
        "verdict=open",
        "stop_reason=end_turn",
        "tokens=100",
        "session=s1",
        "new_session=true",
        "confinement=confined",
        "decisions=r1 allowed by Claude",
    ]


async def test_a_problem_of_many_lines_and_colours_is_one_plain_line(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.opener.fault = AgentStartError("one\ntwo\r\x1b[31mred\u2028three")
    await desk.ask().outcome()
    (line,) = told(capfd, "turn")
    assert line.isprintable()
    assert all(word in line for word in ("one", "two", "red", "three"))


async def test_a_line_has_no_secrets(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.opener.fault = AgentStartError(f"401 for {KEY}")
    await desk.ask().outcome()
    (line,) = told(capfd, "turn")
    assert "401 for " in line
    assert KEY not in line


async def test_a_bug_is_one_line_with_its_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ValueError(KEY)  # noqa: TRY301 it needs a traceback
    except ValueError as error:
        Journal(tmp_path / "log").bug(error)
    (line,) = told(capfd, "bug")
    assert "Traceback" in line
    assert "test_journal.py" in line
    assert KEY not in line
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_is_no_reason_to_fail(stderr: str) -> None:
    script = "from codex_fusion.journal import Journal; Journal(None).line('turn', turn=1); print('went on')"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)} {stderr}"
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout == "went on\n"


# --- the record


async def test_the_record_has_everything_that_happened(desk: Desk) -> None:
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.emits(
        Thought("hm", "t"),
        ToolUpdate(ToolCall("c", "Read a", ToolKind.READ, paths=("a",))),
        Notice("retrying"),
        ContextUse(10, 100),
    )
    prompt.asks("cat a")
    prompt.asks("touch x")
    await call.outcome()
    permit = desk.permit(allow=False, note="no")
    await desk.changes.until(lambda: (2, "no") in desk.agent.answered)
    prompt.says("It ", "m")
    prompt.says("is.\n\nVERDICT: CONSENSUS — it is", "m")
    prompt.ends()
    await permit.outcome()
    (record,) = desk.records()
    events = record["events"]
    assert [event["event"] for event in events] == [
        "SessionOpened",
        "Thought",
        "ToolUpdate",
        "Notice",
        "Asking",
        "Judged",
        "Asking",
        "Judged",
        "Deadline",
        "Decide",
        "Text",
        "PromptResult",
    ]
    assert events[0] | {"at_s": 0} == {
        "event": "SessionOpened",
        "at_s": 0,
        "session_id": "s1",
        "mode": "confined",
        "new": True,
    }
    assert events[2]["tool"]["paths"] == ["a"]
    assert events[5]["judgement"] == {"allowed": True, "why": "only reads", "what": "cat a"}
    assert events[6]["request"]["tool"]["command"] == "touch x"
    assert (events[9]["request"]["id"], events[9]["allow"], events[9]["note"]) == ("r2", False, "no")
    assert events[10]["text"] == "It is.\n\nVERDICT: CONSENSUS — it is"
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    assert record["prompt"] == "consult 1"
    assert record["text"] == "It is.\n\nVERDICT: CONSENSUS — it is"
    assert record["decisions"] == {"r2": "denied by Claude"}
    assert record["usage"]["total"] == 100
    assert record["context"] == {"used": 10, "size": 100}
    assert record["verdict"] == {"state": "consensus", "point": "it is"}
    assert (record["problem"], record["events_dropped"]) == (None, 0)
    assert record["began"] > 0


async def test_the_record_of_a_failed_turn_has_the_agents_last_words(desk: Desk) -> None:
    desk.opener.fault = AgentStartError("It ended.", "Install it.", "not found")
    await desk.ask().outcome()
    (record,) = desk.records()
    assert record["problem"] == {"message": "It ended.", "remedy": "Install it.", "details": "not found"}
    assert record["events"][0]["error"] == "It ended.\nIts last words on stderr:\nnot found\n→ Install it."


async def test_the_record_has_no_secrets(desk: Desk) -> None:
    desk.opener.fault = AgentStartError("refused", "", f"401 {KEY}")
    await desk.ask().outcome()
    call = desk.ask()
    prompt = await desk.prompt()
    prompt.says(f"the key is {KEY[:20]}")
    prompt.says(f"{KEY[20:]}, keep it")
    prompt.emits(ToolUpdate(ToolCall("c", f"curl -H 'x-api-key: {KEY}'", command=f"curl {KEY}")))
    prompt.ends()
    await call.outcome()
    assert "keep it" in str(desk.records())
    assert "a1b2c3d4" not in str(desk.records())


def test_a_record_is_for_its_owner_alone_and_its_folder_is_made(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "down" / "log"
    closed(log, Notice("x"))
    assert log.stat().st_mode & 0o777 == 0o600


def test_text_that_is_no_unicode_is_recorded_all_the_same(tmp_path: Path) -> None:
    record = closed(tmp_path / "log", Notice("half a pair: \ud800"))
    assert record["events"][0]["text"].startswith("half a pair: ")


def test_without_a_log_nothing_is_kept_and_nothing_written(tmp_path: Path) -> None:
    journal = Journal(None)
    record = journal.record("a question")
    record.event(Text("x" * 100), 1.0)
    record.close(NOT_RUN, None, {})
    assert list(tmp_path.iterdir()) == []
    assert journal.log_problem is None


# --- its bounds


def test_pieces_of_one_message_are_one_event_however_many(tmp_path: Path) -> None:
    record = closed(tmp_path / "log", *(Text("ab", "m") for _ in range(50_000)))
    (event,) = record["events"]
    assert event == {"event": "Text", "at_s": 0.0, "message_id": "m", "text": "ab" * 50_000}


def test_pieces_of_two_messages_and_of_thoughts_are_told_apart(tmp_path: Path) -> None:
    items = (
        Text("a", "m"),
        Text("b", "n"),
        Thought("c", "n"),
        Text("d", "n"),
        Text("e", None),
        Text("f", None),
    )
    record = closed(tmp_path / "log", *items)
    assert [event["text"] for event in record["events"]] == ["a", "b", "c", "d", "ef"]


def test_many_events_are_counted_and_not_kept(tmp_path: Path) -> None:
    record = closed(tmp_path / "log", *(Notice(str(n)) for n in range(EVENTS_LIMIT)), Text("x"), Notice("y"))
    assert len(record["events"]) == EVENTS_LIMIT
    assert record["events_dropped"] == 2


def test_much_text_is_counted_and_not_kept(tmp_path: Path) -> None:
    piece = Text("x" * (TEXT_LIMIT // 10), "m")
    record = closed(tmp_path / "log", *[piece] * 100, Notice("and then"))
    assert len(record["events"][0]["text"]) == TEXT_LIMIT
    assert record["events"][1]["text"] == "and then", "what happened is still told"
    assert record["events_dropped"] == 90


def test_a_large_prompt_is_cut_between_words(tmp_path: Path) -> None:
    prompt = f"{'x' * (TEXT_LIMIT - 20)} {KEY} {'y' * 1_000_000}"
    record = closed(tmp_path / "log", prompt=prompt)
    assert record["prompt"].endswith("x … (1,000,052 characters more)")


def test_large_events_are_counted_and_not_kept(tmp_path: Path) -> None:
    large = ToolUpdate(ToolCall("c", "x" * (FIELDS_LIMIT // 2)))
    record = closed(tmp_path / "log", *[large] * 100, Notice("and then"))
    assert [event["event"] for event in record["events"]] == ["ToolUpdate", "Notice"]
    assert record["events_dropped"] == 99


# --- a log that can't be written


def unwritable(log: Path, how: str) -> Path:
    """A place where no file can be written to, for root neither."""
    match how:
        case "a folder":
            log.mkdir()
        case "in a file":
            log.write_text("")
            return log / "log"
        case "a full disk":
            log.symlink_to("/dev/full")
        case "a pipe that nobody reads":
            os.mkfifo(log)
    return log


@pytest.mark.parametrize("how", ["a folder", "in a file", "a full disk", "a pipe that nobody reads"])
async def test_a_log_that_can_not_be_written_is_told_once_and_fails_no_turn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    journal = Journal(unwritable(tmp_path / "log", how))
    for _ in range(2):
        record = journal.record("a question")
        record.event(Notice("x"), 1.0)
        record.close(NOT_RUN, None, {})
    (line,) = told(capfd, "log_not_written")
    assert str(tmp_path / "log") in line
    assert journal.log_problem is not None
    assert journal.log_problem.startswith(str(tmp_path / "log"))


async def test_a_log_that_can_be_written_again_is_no_problem_any_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = unwritable(tmp_path / "log", "a folder")
    journal = Journal(log)
    journal.append({"turn": 1})
    log.rmdir()
    journal.append({"turn": 2})
    assert journal.log_problem is None
    assert json.loads(log.read_text()) == {"turn": 2}
    log.unlink()
    log.mkdir()
    journal.append({"turn": 3})
    assert len(told(capfd, "log_not_written")) == 2


def test_a_pipe_whose_reader_does_not_keep_up_is_not_waited_for(tmp_path: Path) -> None:
    log = unwritable(tmp_path / "log", "a pipe that nobody reads")
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        journal = Journal(log)
        journal.append({"text": "x" * 1_000_000})
        assert journal.log_problem is not None
        assert "keep up" in journal.log_problem
    finally:
        os.close(reader)


async def test_turns_are_answered_though_no_log_can_be_written(tmp_path: Path) -> None:
    async with at_work(unwritable(tmp_path / "log", "a folder"), recorded=False) as desk:
        assert (await desk.answered()).status is Status.ANSWERED
        assert desk.journal.log_problem is not None


def test_several_servers_can_write_to_one_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import sys; from pathlib import Path; from codex_fusion.journal import Journal\n"
        "for n in range(50): Journal(Path(sys.argv[1])).append({'text': sys.argv[2] * 20_000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(log), letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    texts = [json.loads(line)["text"] for line in log.read_text().splitlines()]
    assert sorted(texts) == ["a" * 20_000] * 50 + ["b" * 20_000] * 50
