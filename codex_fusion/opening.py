"""Brings a session for a turn: finds the agent, starts it confined, verifies that it is.

Nothing is prompted in a session whose confinement was not read back as it was asked (fail closed).
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from codex_fusion import codex_install, confinement, launch, nonce, surroundings
from codex_fusion.conversation import Conversation
from codex_fusion.errors import AgentError, AgentStartError, ConfinementError, alone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyio.abc import TaskGroup

    from codex_fusion.agent import Agent
    from codex_fusion.config import Config
    from codex_fusion.confinement import Plan
    from codex_fusion.launch import Launch
    from codex_fusion.surroundings import Surroundings

ALWAYS = {"CODEX_ACP_PROMPT_SUGGESTIONS": "false"}
"""With the failure opt-in, codex-acp 2.6.0 would ask the model after each turn what may be typed next."""
MARK = "CODEX_FUSION_AGENT"
"""Names a folder that only this agent has: by that whatever was started below it is known."""

START_REMEDY = (
    "Run `codex-fusion doctor`. The tested codex-acp is installed by `codex-fusion setup`; "
    "CODEX_FUSION_ACP_COMMAND must name an ACP agent."
)


@dataclass(frozen=True, slots=True)
class _Running:
    """An agent, how it is held, and the private folder that its launcher stands in."""

    agent: Agent
    plan: Plan
    around: Surroundings

    async def end(self) -> None:
        await self.agent.kill()
        self.around.remove()


class AgentOpener:
    """The real opener: one agent process, started by the first turn that needs it, reused until it dies."""

    def __init__(self, config: Config, environ: Mapping[str, str], tasks: TaskGroup) -> None:
        self._config = config
        self._environ = environ
        self._tasks = tasks
        self._running: _Running | None = None
        self._failed_starts = 0
        self._closing = False

    async def open(self, say: Callable[[str], None]) -> Conversation:
        """See `conversation.Opener.open`."""
        running = self._running
        if running is None or not running.agent.usable or running.around.stale():
            if running is not None:
                self._running = None
                await running.end()
            running = self._running = await self._start(say)
        try:
            return await self._open_session(running)
        except BaseException:
            # What is half done in it is in doubt: it is not used again.
            with anyio.CancelScope(shield=True):
                await running.end()
            raise

    async def close(self) -> None:
        """See `conversation.Opener.close`. Nothing is started after it."""
        self._closing = True
        if self._running is not None:
            await self._running.end()

    async def _start(self, say: Callable[[str], None]) -> _Running:
        found = launch.find(self._config, self._environ)
        say(f"starting the agent: {found.source.value}")
        around = surroundings.survey(self._config, found.argv, self._environ)
        try:
            plan = confinement.plan(self._config, around.facts, self._environ)
            async with anyio.create_task_group() as both:
                both.start_soon(_prove_sandbox, plan, around)
                agent = await self._start_agent(found, plan, str(around.facts.scratch))
        except BaseException as error:
            around.remove()
            raise alone(error) from error
        self._failed_starts = 0
        return _Running(agent, plan, around)

    async def _start_agent(self, found: Launch, plan: Plan, mark: str) -> Agent:
        # acp takes 0.4 s to import, which a server's start does not need.
        from codex_fusion import process
        from codex_fusion.agent import Agent

        if self._closing:
            raise AgentStartError("The server is shutting down.")
        # Never the workspace: npx and Codex's app-server take code and configuration from their cwd.
        home = Path(nonce.home_folder(self._environ) or "/")
        # A confined Codex passes on none but his own variables: one of them names it too (`codex_settings`).
        env = {**plan.environment, **ALWAYS, MARK: mark}
        child = await process.spawn(self._tasks, found.argv, env, found.cwd or home, mark=mark)
        try:
            with anyio.fail_after(found.start_limit_s):
                return await Agent.start(child)
        except TimeoutError as error:
            what = f"The agent did not answer `initialize` within {found.start_limit_s:g} s."
            raise self._not_started(what, found, child.stderr_tail) from error
        except AgentError as error:
            # An agent that refused has a remedy of its own; of one that ended nothing is known.
            remedy = error.remedy if isinstance(error, AgentStartError) else ""
            raise self._not_started(str(error), found, error.stderr, remedy) from error

    def _not_started(self, what: str, found: Launch, stderr: str, remedy: str = "") -> AgentStartError:
        self._failed_starts += 1
        often = (
            f" That was start {self._failed_starts} that failed in a row." if self._failed_starts > 1 else ""
        )
        return AgentStartError(
            f"{what} It was run as: {shlex.join(found.argv)}.{often}", remedy or START_REMEDY, stderr
        )

    async def _open_session(self, running: _Running) -> Conversation:
        agent, plan, facts = running.agent, running.plan, running.around.facts
        report = await agent.open_session(str(facts.workspace))
        session_id = report.session_id or ""
        if error := confinement.check(plan, agent.modes.get(session_id)):
            raise error
        return Conversation(
            agent,
            session_id,
            plan.mode,
            anyio.current_time(),
            confinement=plan.description,
            notices=plan.set_aside,
            agent_name=f"{agent.report.name} {agent.report.version}".strip(),
            codex_version=codex_install.version(facts.codex_folders),
            model=report.model or "",
            effort=report.effort or "",
        )


async def _prove_sandbox(plan: Plan, around: Surroundings) -> None:
    """Can this system sandbox at all? Tried beside the agent's handshake, without a model.

    :raises ConfinementError: it can't, or it holds less than was planned.
    """
    if plan.mode is None or around.facts.codex is None:
        return
    from codex_fusion import probe

    try:
        tried = await anyio.to_thread.run_sync(probe.try_sandbox, plan, around, abandon_on_cancel=True)
    except (OSError, subprocess.SubprocessError) as error:
        what = f"Codex's sandbox could not be tried, so nothing was asked: {error}."
        remedy = "Check CODEX_PATH, if it is set: it must lead to Codex. Then run `codex-fusion doctor`."
        raise ConfinementError(what, remedy) from error
    if problem := probe.judge(plan, tried):
        raise problem
