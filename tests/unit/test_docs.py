"""The documentation says what the code says: tables, tools, links, and the tests that it names."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from codex_fusion import config, tools
from tests.soak.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
RELIABILITY = ROOT / "docs" / "reliability.md"
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
PARTS = ["## Context", "## Decision", "## Alternatives", "## Consequences"]

FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@cache
def text(page: Path) -> str:
    return page.read_text("utf-8")


def prose(page: Path) -> str:
    """Without the blocks of code."""
    return FENCE.sub("", text(page))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, heading: str) -> str:
    """From a heading to the next one of its depth or above."""
    depth = heading.partition(" ")[0]
    begins = text(page).partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{1,{len(depth)}}} ", begins, maxsplit=1, flags=re.MULTILINE)[0]


def rows(markdown: str) -> list[list[str]]:
    """The cells of each row of each table, heads and rules left out."""
    found = [line.strip().strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in found if row[0].strip().startswith("`")]


@pytest.mark.parametrize(
    "page", [README, ROOT / "docs" / "configuration.md"], ids=lambda page: str(page.name)
)
def test_the_table_of_variables_is_the_codes(page: Path) -> None:
    expected = "\n".join(
        f"| `{variable.name}` | {f'`{variable.default}`' if variable.default else ''} | {variable.meaning} |"
        for variable in config.VARIABLES
    )
    assert f"|---|---|---|\n{expected}\n\n" in text(page), f"Put this into {page.name}:\n{expected}"


def test_each_variable_is_explained() -> None:
    headings = re.findall(r"^### (.+)$", text(ROOT / "docs" / "configuration.md"), re.MULTILINE)
    explained = re.findall(r"`(CODEX_FUSION_\w+)`", "\n".join(headings))
    assert sorted(explained) == sorted(variable.name for variable in config.VARIABLES)


def test_the_readme_names_each_tool_once_in_its_table() -> None:
    named = [row[0] for row in rows(section(README, "## The nine tools"))]
    assert named == [f"`{tool.name}`" for tool in tools.TOOLS]


@pytest.mark.parametrize("tool", tools.TOOLS, ids=lambda tool: str(tool.name))
def test_each_argument_of_a_tool_is_documented_and_no_other(tool: tools.Tool) -> None:
    documented = {
        row[0].strip("`"): row[1] for row in rows(section(ROOT / "docs" / "tools.md", f"## `{tool.name}`"))
    }
    fields = tool.arguments.model_fields
    assert documented == {name: "required" if f.is_required() else "optional" for name, f in fields.items()}


def test_each_module_has_its_row_and_the_pure_ones_are_called_so() -> None:
    listed = {
        row[0].strip("`"): row[2]
        for row in rows(section(ROOT / "docs" / "architecture.md", "## The modules"))
    }
    pure = set(tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["codex-fusion"]["pure"])
    modules = {file.stem for file in (ROOT / "codex_fusion").glob("*.py")} - {"__init__"}
    assert listed == {module: "yes" if module in pure else "" for module in modules}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in (found["target"] for found in LINK.finditer(prose(page))):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        goal = (page.parent / name).resolve() if name else page
        assert goal.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(goal), f"{page.name}: {target}"


def test_the_readme_has_one_test_command() -> None:
    assert sum("-m pytest" in line for line in text(README).splitlines()) == 1


def test_each_test_and_file_that_is_named_exists() -> None:
    sources = "\n".join(text(file) for file in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^ *(?:async )?def (test_\w+)", sources, re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`(test_\w+)`", text(page)))
        assert named <= known, f"{page.name}: {sorted(named - known)}"
        paths = re.findall(r"`((?:codex_fusion|tests|hooks|docs)/[\w/.-]+)`", text(page))
        missing = [path for path in paths if not (ROOT / path).exists()]
        assert missing == [], page.name


def test_each_scenario_that_is_named_exists_and_each_fault_has_its_row() -> None:
    tables = text(RELIABILITY).partition("\n## What bounds what\n")[0]
    cells = [line.rstrip(" |").rpartition("|")[2] for line in tables.splitlines() if line.startswith("|")]
    shown = {name for cell in cells for name in re.findall(r"`([a-z0-9-]+(?:/[a-z-]+)?)`", cell)}
    faults = {scenario.fault for scenario in SCENARIOS.values()}
    assert shown <= faults | set(SCENARIOS), sorted(shown - faults - set(SCENARIOS))
    assert faults == {name.partition("/")[0] for name in shown}


def test_each_limit_is_the_codes() -> None:
    limits = rows(section(RELIABILITY, "## What bounds what"))
    assert len(limits) > 20
    for name, value, _ in limits:
        module, _, constant = name.strip("`").partition(".")
        told = getattr(import_module(f"codex_fusion.{module}"), constant)
        assert value == (f"{told:,}" if isinstance(told, int) else f"{told:g}"), name


def test_each_decision_is_listed_and_has_its_four_parts() -> None:
    index = text(ROOT / "docs" / "adr" / "README.md")
    for adr in ADRS:
        number, title = text(adr).splitlines()[0].removeprefix("# ").split(" ", 1)
        assert adr.name.startswith(f"{number}-")
        assert f"| [{number}]({adr.name}) | {title} |" in index
        assert re.findall(r"^## .*$", text(adr), re.MULTILINE) == PARTS
