from __future__ import annotations

import json
from dataclasses import replace

import pytest

from codex_fusion import excerpt, resources
from codex_fusion.errors import CallError
from codex_fusion.resources import PAGE, Address, Entry

ID = "20260101-000000-abcdef"
ENTRY = Entry(ID, "2026-01-01 10:00", "Is it safe?", 2, "consensus")
LONG = "".join(f"{number:06} a line of 'it' \"as\" JSON\\\n" for number in range(4_000))


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (f"fusion://debates/{ID}", Address(ID)),
        (f"fusion://debates/{ID}/1", Address(ID, 1)),
        (f"fusion://debates/{ID}/120", Address(ID, 120)),
    ],
)
def test_an_address_names_a_debate_or_a_page_of_it(address: str, named: Address) -> None:
    assert resources.parse(address) == named
    assert address.startswith(resources.uri(named.id))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "fusion://debates",
        "fusion://debates/",
        f"fusion://debates/{ID}/",
        f"fusion://debates/{ID}/0",
        f"fusion://debates/{ID}/-1",
        f"fusion://debates/{ID}/1/2",
        f"fusion://debates/{ID}\n",
        "fusion://debates/../x",
        "fusion://debates/%2e%2e",
        "file:///etc/passwd",
        "FUSION://debates/1",
        "x" * 10_000,
    ],
)
def test_any_other_address_is_refused_in_words_that_say_what_is_valid(address: str) -> None:
    with pytest.raises(CallError, match="There is no resource") as raised:
        resources.parse(address)
    told = raised.value.explain()
    assert len(told) < 300
    for valid in ("fusion://debates (", "fusion://status", *(t.uri_template for t in resources.TEMPLATES)):
        assert valid in told


def test_the_list_the_status_and_the_latest_debates_are_listed() -> None:
    entries = [replace(ENTRY, id=f"{number}") for number in range(resources.RECENT + 5)]
    listed = resources.listed(entries)
    assert [item.uri for item in listed[:3]] == ["fusion://debates", "fusion://status", "fusion://debates/0"]
    assert len(listed) == 2 + resources.RECENT
    assert (listed[2].title, listed[2].name) == ("Is it safe?", "0")
    assert listed[2].description == "Is it safe? (2026-01-01 10:00, 2 rounds, consensus)"


def test_the_list_has_a_line_for_each_debate() -> None:
    told = resources.debates("/w", [ENTRY, replace(ENTRY, id="2", rounds=1, unwritten=True)], kept=True)
    assert told == (
        "# Debates with Codex in /w\n\n"
        f"- `fusion://debates/{ID}` 2026-01-01 10:00, 2 rounds, consensus: Is it safe?\n"
        "- `fusion://debates/2` 2026-01-01 10:00, 1 round, consensus, not on the disk: Is it safe?\n\n"
        "Those of other workspaces are not shown here; `codex-fusion log` in a terminal lists all.\n"
    )


def test_an_empty_list_says_so_and_why() -> None:
    assert "There is none." in resources.debates("/w", [], kept=True)
    assert "HISTORY" not in resources.debates("/w", [], kept=True)
    assert "`CODEX_FUSION_HISTORY` is off: nothing is written" in resources.debates("/w", [], kept=False)


def test_a_short_debate_is_one_page_and_the_whole() -> None:
    assert resources.debate("# Short\n", Address(ID)) == "# Short\n"
    assert resources.debate("# Short\n", Address(ID, 1)) == "# Short\n\n\n(Page 1 of 1.)\n"


def test_a_long_debate_is_whole_or_in_pages_that_lead_on() -> None:
    whole = resources.debate(LONG, Address(ID))
    name = f"fusion://debates/{ID}"
    first = f"(In pages, if only the beginning can be seen: `{name}/1` to `{name}/4`.)\n\n"
    assert whole == first + LONG
    pages = [resources.debate(LONG, Address(ID, number)) for number in range(1, 5)]
    assert pages[0].endswith(f"\n\n(Page 1 of 4; it goes on in `{name}/2`.)\n")
    assert pages[3].endswith("\n\n(Page 4 of 4.)\n")
    assert "".join(page.rpartition("\n\n(Page")[0] for page in pages) == LONG


def test_a_page_is_within_what_claude_code_shows() -> None:
    page = resources.debate(LONG, Address(ID, 1))
    # As Claude Code 2.1.329 hands it to the model: beyond 50,000 characters it is put into a file instead.
    content = {"uri": resources.uri(ID) + "/1", "mimeType": resources.MIME, "text": page}
    shown = json.dumps({"contents": [content]}, ensure_ascii=False)
    assert PAGE * 0.9 < excerpt.size(shown) < 50_000


def test_a_page_that_a_debate_does_not_have_is_refused() -> None:
    with pytest.raises(CallError, match="has no page 5") as raised:
        resources.debate(LONG, Address(ID, 5))
    assert "It has 4" in raised.value.remedy


@pytest.mark.parametrize("position", [0, 1, 39_000, 50_000, len(LONG) - 1])
def test_the_page_of_a_position_holds_what_stands_there(position: int) -> None:
    number, count = resources.page_at(LONG, position)
    before = sum(len(part) for part in excerpt.pages(LONG, PAGE)[: number - 1])
    assert before <= position < before + len(excerpt.pages(LONG, PAGE)[number - 1])
    assert count == 4


def test_a_position_behind_the_end_is_on_the_last_page() -> None:
    assert resources.page_at(LONG, len(LONG)) == (4, 4)
    assert resources.page_at("", 7) == (1, 1)
