from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from codex_fusion import launcher
from codex_fusion.environment import LAUNCH_VARIABLE
from codex_fusion.launcher import command, pump, without_trust

if TYPE_CHECKING:
    from pathlib import Path

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def test_the_trust_that_codex_acp_declares_is_taken_out_and_the_rest_stays() -> None:
    config = {
        "model": "m",
        "projects": {"/w": {"trust_level": "trusted"}},
        "projects./w.trust_level": "trusted",
    }
    sent = {"id": 1, "method": "thread/start", "params": {"cwd": "/w", "config": config}}
    expected = {**sent, "params": {"cwd": "/w", "config": {"model": "m"}}}
    assert json.loads(without_trust(line(sent))) == expected


def test_a_prompt_that_speaks_of_projects_goes_through_byte_by_byte() -> None:
    text = '{"projects": {"/w": {"trust_level": "trusted"}}}'
    sent = line({"method": "turn/start", "params": {"input": [{"text": text}], "config": {"note": text}}})
    assert without_trust(sent) == sent


def test_lines_that_are_no_messages_go_through() -> None:
    for sent in (
        b"projects\n",
        b"[1, projects\n",
        line(["projects"]),
        line({"params": "projects"}),
        b"\xff projects\n",
    ):
        assert without_trust(sent) == sent


@given(values)
def test_any_message_stays_what_it_was_but_for_the_trust(value: object) -> None:
    sent = {"params": {"config": {"projects": value, "other": value}, "more": value}}
    assert json.loads(without_trust(line(sent))) == {"params": {"config": {"other": value}, "more": value}}


def test_the_variable_is_the_one_that_the_plan_sets() -> None:
    assert launcher.VARIABLE == LAUNCH_VARIABLE


def test_the_options_come_before_the_arguments() -> None:
    spec: dict[str, object] = {"codex": ["/n/codex"], "overrides": ["a=1", "b=2"]}
    assert command(spec, "", ["app-server"]) == ["/n/codex", "-c", "a=1", "-c", "b=2", "app-server"]


def test_codex_is_searched_on_path_only_where_npx_put_it(tmp_path: Path) -> None:
    for folder in ("npx/1/bin", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "codex").write_text("", encoding="utf-8")
        (tmp_path / folder / "codex").chmod(0o755)
    path = os.pathsep.join(str(tmp_path / folder) for folder in ("elsewhere", "npx/0/bin", "npx/1/bin"))
    spec: dict[str, object] = {"search": str(tmp_path / "npx"), "overrides": []}
    assert command(spec, path, []) == [str(tmp_path / "npx/1/bin/codex")]
    assert command(spec, str(tmp_path / "elsewhere"), []) is None
    assert command({}, path, []) is None


def test_lines_arrive_whole_however_large_and_however_cut() -> None:
    source, into = os.pipe()
    out, sink = os.pipe()
    large = line({"params": {"text": "x" * 2_000_000}})
    trust = line({"params": {"config": {"projects": 1}}})

    def write() -> None:
        for piece in (large[:7], large[7:] + trust[:9], trust[9:]):
            os.write(into, piece) if len(piece) < 60_000 else _write_all(into, piece)
        os.close(into)

    def copy() -> None:
        pump(source, sink)
        os.close(sink)

    threads = [threading.Thread(target=write), threading.Thread(target=copy)]
    for thread in threads:
        thread.start()
    with os.fdopen(out, "rb") as came:
        assert came.read() == large + line({"params": {"config": {}}})
    for thread in threads:
        thread.join(10)
    os.close(source)


def _write_all(into: int, data: bytes) -> None:
    while data:
        data = data[os.write(into, data) :]


def test_it_ends_when_nobody_reads_any_more() -> None:
    source, into = os.pipe()
    out, sink = os.pipe()
    thread = threading.Thread(target=pump, args=(source, sink))
    thread.start()
    os.close(out)
    thread.join(10)
    assert not thread.is_alive()
    for handle in (source, into, sink):
        os.close(handle)


def launched(spec: object, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        (sys.executable, "-IS", launcher.__file__, *arguments),
        input=given,
        capture_output=True,
        env={**os.environ, LAUNCH_VARIABLE: json.dumps(spec)},
        timeout=30,
        check=False,
    )


def test_codex_takes_its_place_and_gets_the_filtered_input_but_not_our_variable() -> None:
    script = f'cat; echo "$0" "$@"; echo "[${LAUNCH_VARIABLE}]"; exit 3'
    done = launched(
        {"codex": ["sh", "-c", script, "me"], "overrides": ["a=1"]},
        "app-server",
        given=line({"params": {"config": {"projects": 1}}}),
    )
    assert done.returncode == 3
    assert done.stdout == line({"params": {"config": {}}}) + b"me -c a=1 app-server\n[]\n"


def test_without_codex_it_says_so() -> None:
    done = launched({"codex": None, "overrides": []})
    assert done.returncode == launcher.NOT_FOUND
    assert b"was not found" in done.stderr
