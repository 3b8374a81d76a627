"""A place to attack: a workspace, a user's home, a Codex home, and the real agent confined by a plan."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import anyio

from codex_fusion import confinement, surroundings
from codex_fusion.config import Allowances, Config, Confinement
from codex_fusion.opening import ALWAYS
from tests.support.bare_client import BareClient
from tests.support.real_agent import cache_folder
from tests.support.scripted_model import Run, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from codex_fusion.confinement import Plan
    from codex_fusion.surroundings import Surroundings
    from tests.support.bare_client import Request
    from tests.support.scripted_model import Part

SECRET = "CANARY-9f2c-OUTSIDE"  # noqa: S105 a canary
KEY = "sk-CANARY-KEY"
"""Its variables in the agent's environment never show in a command."""
FILES = {"a.txt": "one\ntwo\n", "src/b.py": "print('inside')\n"}
IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(("git", *IDENTITY, *arguments), cwd=folder, check=True, capture_output=True)  # noqa: S607


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def commit_all(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first", "--allow-empty")


@dataclass
class Place:
    """Folders on a disk of their own kind: outside the temp folder, all of it removed afterwards."""

    root: Path
    workspace: Path
    home: Path
    codex_home: Path
    outside: Path
    """A folder beside the workspace, with a secret in it."""

    @property
    def mark(self) -> Path:
        """What a stranger's program makes, if it ever runs."""
        return self.root / "pwned"

    def marks(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("pwned*"))

    def snapshot(self) -> dict[str, str]:
        """Every file of the place, with what is in it, but for Codex's own state."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_relative_to(self.codex_home) and name not in self._users:
                continue
            if path.is_symlink() or not path.is_file():
                found[name] = str(path.readlink()) if path.is_symlink() else "folder"
            else:
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    _users: frozenset[str] = field(default=frozenset())


class Model(ScriptedModel):
    """A scripted model that ends at once: of sessions as short as these, its half second was the half."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)


@contextmanager
def place(
    files: dict[str, str] | None = None, codex_files: dict[str, str] | None = None, *, repository: bool = True
) -> Iterator[Place]:
    base = cache_folder(os.environ)
    base.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="place-", dir=base)).resolve()
    here = Place(root, root / "workspace", root / "home", root / "home" / ".codex", root / "outside")
    here._users = frozenset(f"home/.codex/{name}" for name in codex_files or ())  # noqa: SLF001 its maker
    try:
        fill(here.outside, {"secret.txt": SECRET + "\n"})
        fill(here.home, {".ssh/id": SECRET + "\n", ".bashrc": f"export X={SECRET}\n"})
        fill(here.codex_home, {"auth.json": json.dumps({"OPENAI_API_KEY": SECRET}), **(codex_files or {})})
        fill(here.workspace, FILES if files is None else FILES | files)
        if repository:
            commit_all(here.workspace)
        yield here
    finally:
        shutil.rmtree(root)


def codex_config(model: ScriptedModel) -> dict[str, object]:
    provider = {
        "name": "mock",
        "base_url": model.url,
        "wire_api": "responses",
        "requires_openai_auth": False,
    }
    return {"model": "gpt-5.5", "model_provider": "mock", "model_providers": {"mock": provider}}


def environ_of(here: Place, model: ScriptedModel, **more: str) -> dict[str, str]:
    """The environment of a user's session, keys and all."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(here.home),
        "LANG": "C.UTF-8",
        "CODEX_HOME": str(here.codex_home),
        "CODEX_CONFIG": json.dumps(codex_config(model)),
        "MODEL_PROVIDER": "mock",
        "NO_BROWSER": "1",
        "OPENAI_API_KEY": KEY,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_OAUTH_TOKEN": KEY,
        **more,
    }


def config_of(
    here: Place,
    allow: Allowances | None = None,
    confinement: Confinement = Confinement.STRICT,
    read_roots: tuple[Path, ...] = (),
) -> Config:
    return Config(
        workspace=here.workspace,
        allow=allow or Allowances(),
        confinement=confinement,
        read_roots=read_roots,
    )


@dataclass
class Guarded:
    """A session of the real agent, confined, with the scripted model behind it."""

    place: Place
    model: ScriptedModel
    client: BareClient
    plan: Plan
    around: Surroundings
    session: str
    mode: str | None

    async def turn(self, *parts: Part, answer: Callable[[Request], str] | None = None) -> list[str]:
        """One turn in which the model does this, part by part: what came back to it of each.

        Nothing comes back of a turn that a rejected request ended.
        """
        if answer is not None:
            self.client.answer = answer
        self.model.script(*parts, Say("done"))
        if await self.client.prompt(self.session) == "cancelled":
            self.model._steps.clear()  # noqa: SLF001 what the model would have done next
            return []
        came = [output_of(text) for text in self.model.tool_outputs()]
        return came[len(came) - len(parts) :]

    async def run(self, *commands: str) -> list[str]:
        return await self.turn(*(Run(command) for command in commands))


class Outcomes:
    """What became of several cases that ran side by side; `of` is the test's own verdict on one."""

    def __init__(self) -> None:
        self._errors: dict[str, Exception | None] = {}

    async def run(self, name: str, case: Callable[[], Awaitable[None]], limit: anyio.CapacityLimiter) -> None:
        async with limit:
            try:
                await case()
                self._errors[name] = None
            except Exception as error:  # noqa: BLE001 it is raised where it belongs
                self._errors[name] = error

    def of(self, name: str) -> None:
        error = self._errors[name]
        if error is not None:
            raise error


async def side_by_side(cases: dict[str, Callable[[], Awaitable[None]]]) -> Outcomes:
    """Run the cases, a few at once: most of a session's time is the agent's start, on one core."""
    outcomes, limit = Outcomes(), anyio.CapacityLimiter(3)
    async with anyio.create_task_group() as tasks:
        for name, case in cases.items():
            tasks.start_soon(outcomes.run, name, case, limit)
    return outcomes


def output_of(text: str) -> str:
    """A command's own output, without what Codex says around it."""
    return text.partition("\nOutput:\n")[2] if "\nOutput:\n" in text else text


@asynccontextmanager
async def guarded(
    agent: Path,
    here: Place,
    config: Config | None = None,
    *,
    after_survey: Callable[[], None] = lambda: None,
    **environ: str,
) -> AsyncIterator[Guarded]:
    """Start the agent as the server does: survey, plan, start, open, check."""
    config = config or config_of(here)
    with Model() as model:
        variables = environ_of(here, model, **environ)
        around = surroundings.survey(config, (str(agent),), variables)
        try:
            plan = confinement.plan(config, around.facts, variables)
            after_survey()
            environment = {**plan.environment, **ALWAYS}
            async with BareClient((str(agent),), environment, around.folder) as client:
                session, mode = await client.open("new", cwd=str(around.facts.workspace))
                error = confinement.check(plan, mode)
                if error is not None:
                    raise error
                yield Guarded(here, model, client, plan, around, session, mode)
        finally:
            around.remove()
