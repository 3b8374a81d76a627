"""Pins who may import whom, by reading the source: imports inside functions and for types count as well."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "codex_fusion"
HOOK = "hooks.session_reset"
LONGEST_FILE = 400

MCP_FACE = {
    f"{PACKAGE}.{module}" for module in ("server", "tool_handlers", "resource_handlers", "demo", "ask")
}
ONLY_IMPORTERS = {
    "mcp": MCP_FACE,
    "mcp_types": MCP_FACE,
    "acp": {f"{PACKAGE}.agent"},
}
DOES_IO = {
    "asyncio",
    "concurrent",
    "ctypes",
    "fcntl",
    "http",
    "multiprocessing",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "urllib",
}
"""Of the standard library. `os` and `pathlib` are not here: a path is a value too."""


def imports(source: str) -> set[str]:
    """Every module that the source imports, in full: `from a import b` counts as `a` and as `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # The linter allows no relative imports out of a folder, and ours has no folders below.
            module = node.module if not node.level else ".".join(filter(None, (PACKAGE, node.module)))
            found |= {f"{module}", *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def top(module: str) -> str:
    return module.partition(".")[0]


def wrong_importers(sources: dict[str, str]) -> set[str]:
    """Who imports a protocol library without being its importer."""
    return {
        f"{module} imports {top(name)}"
        for module, source in sources.items()
        for name in imports(source)
        if module not in ONLY_IMPORTERS.get(top(name), {module})
    }


def impurities(sources: dict[str, str], pure: set[str]) -> set[str]:
    """What a pure module imports besides the standard library's pure part and other pure modules."""
    return {
        f"{module} imports {name}"
        for module in pure & sources.keys()
        for name in imports(sources[module])
        if (name in sources and name not in pure | {PACKAGE})
        or (top(name) != PACKAGE and (top(name) in DOES_IO or top(name) not in sys.stdlib_module_names))
    }


def heavy_imports(sources: dict[str, str], start: str) -> set[str]:
    """What `start`, or any of our modules that it leads to, imports from outside the standard library."""
    seen: set[str] = set()
    waiting = [start] if start in sources else []
    heavy: set[str] = set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        names = imports(sources[module])
        heavy |= {
            f"{module} imports {name}"
            for name in names
            if top(name) != PACKAGE and top(name) not in sys.stdlib_module_names
        }
        waiting += [name for name in names if name in sources and name not in seen]
    return heavy


def circle(sources: dict[str, str]) -> list[str]:
    """Modules that import each other in a ring, each the next one; empty: there is none."""
    arrows = {module: sorted(imports(source) & sources.keys()) for module, source in sources.items()}
    clear: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in clear:
            return []
        found = next(filter(None, (walk(name, [*path, module]) for name in arrows[module])), [])
        clear.add(module)
        return found

    return next(filter(None, (walk(module, []) for module in arrows)), [])


def sources_of(*folders: str) -> dict[str, str]:
    """Module name → source, of what is there."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return {name_of(file): file.read_text("utf-8") for file in files}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def pure_modules() -> set[str]:
    """The list in pyproject.toml, which the coverage check reads too."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {f"{PACKAGE}.{module}" for module in settings["tool"]["codex-fusion"]["pure"]}


def test_each_protocol_library_has_its_face() -> None:
    assert wrong_importers(sources_of(PACKAGE, "hooks")) == set()


def test_pure_modules_import_nothing_that_does_io() -> None:
    assert impurities(sources_of(PACKAGE), pure_modules()) == set()


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert circle(sources_of(PACKAGE)) == []


def test_the_hook_needs_only_the_standard_library() -> None:
    sources = sources_of(PACKAGE, "hooks")
    assert heavy_imports(sources, HOOK) == set()
    assert heavy_imports(sources, f"{PACKAGE}.nonce") == set()


def test_importing_the_package_runs_nothing() -> None:
    assert sources_of(PACKAGE)[PACKAGE] == ""


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    lengths = {name: len(text.splitlines()) for name, text in sources_of(PACKAGE, "hooks", "tests").items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_checker_sees_every_form_of_import() -> None:
    assert imports("import a.b, c as d") == {"a.b", "c"}
    assert imports("from a import b") == {"a", "a.b"}
    assert imports("from . import wire") == {PACKAGE, f"{PACKAGE}.wire"}
    assert imports("from .wire import parse") == {f"{PACKAGE}.wire", f"{PACKAGE}.wire.parse"}
    assert imports("def f():\n    import acp") == {"acp"}
    assert imports("if TYPE_CHECKING:\n    from acp.schema import X") == {"acp.schema", "acp.schema.X"}


def test_the_checker_sees_a_wrong_importer() -> None:
    sources = {f"{PACKAGE}.turn": "from acp.schema import X", f"{PACKAGE}.agent": "import acp, mcp.server"}
    assert wrong_importers(sources) == {f"{PACKAGE}.turn imports acp", f"{PACKAGE}.agent imports mcp"}


def test_the_checker_sees_a_ring() -> None:
    sources = {"top": "import a", "a": "import b, d", "b": "import c", "c": "import a, d", "d": ""}
    assert circle(sources) == ["a", "b", "c", "a"]
    assert circle({**sources, "c": "import d"}) == []


def test_the_checker_sees_an_impure_module() -> None:
    sources = {
        PACKAGE: "",
        f"{PACKAGE}.policy": "from codex_fusion import agent, events\nimport json, pydantic, subprocess",
        f"{PACKAGE}.events": "from pathlib import Path",
        f"{PACKAGE}.agent": "import anyio",
    }
    assert impurities(sources, {f"{PACKAGE}.policy", f"{PACKAGE}.events", f"{PACKAGE}.unwritten"}) == {
        f"{PACKAGE}.policy imports {PACKAGE}.agent",
        f"{PACKAGE}.policy imports pydantic",
        f"{PACKAGE}.policy imports subprocess",
    }


def test_the_checker_sees_a_hook_that_is_heavy_at_second_hand() -> None:
    sources = {
        HOOK: "import sys\nfrom codex_fusion.nonce import write",
        f"{PACKAGE}.nonce": "import os\nfrom codex_fusion import journal",
        f"{PACKAGE}.journal": "import structlog",
    }
    assert heavy_imports(sources, HOOK) == {f"{PACKAGE}.journal imports structlog"}
