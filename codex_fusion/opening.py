"""Brings a session for a turn: finds the agent, starts it confined, verifies that it is.

Nothing is prompted in a session whose confinement was not read back as it was asked (fail closed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from codex_fusion import launch
from codex_fusion.conversation import Conversation
from codex_fusion.errors import AgentStartError, ConfinementError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyio.abc import TaskGroup

    from codex_fusion.agent import Agent
    from codex_fusion.config import Config


class AgentOpener:
    """The real opener: one agent process, started by the first turn that needs it, reused until it dies."""

    def __init__(self, config: Config, environ: Mapping[str, str], tasks: TaskGroup) -> None:
        self._config = config
        self._environ = environ
        self._tasks = tasks
        self._agent: Agent | None = None

    async def open(self, say: Callable[[str], None]) -> Conversation:
        """See `conversation.Opener.open`."""
        agent = self._agent
        if agent is None or not agent.usable:
            if agent is not None:
                await agent.kill()
            agent = self._agent = await self._start(say)
        try:
            return await self._open_session(agent)
        except BaseException:
            # Whatever is half done in it is not used again.
            await agent.kill()
            raise

    async def close(self) -> None:
        """See `conversation.Opener.close`."""
        if self._agent is not None:
            await self._agent.kill()

    async def _start(self, say: Callable[[str], None]) -> Agent:
        # acp takes 0.4 s to import, which a server's start does not need.
        from codex_fusion import process
        from codex_fusion.agent import Agent

        found = launch.find(self._config, self._environ)
        say(f"starting the agent: {found.source.value}")
        child = await process.spawn(
            self._tasks, found.argv, dict(self._environ), found.cwd or self._config.workspace
        )
        try:
            with anyio.fail_after(found.start_limit_s):
                return await Agent.start(child)
        except TimeoutError as error:
            raise AgentStartError(
                f"The agent did not answer `initialize` within {found.start_limit_s:g} s: {' '.join(found.argv)}",
                "Run `codex-fusion doctor`, or set CODEX_FUSION_ACP_COMMAND to an ACP agent.",
                child.stderr_tail,
            ) from error

    async def _open_session(self, agent: Agent) -> Conversation:
        report = await agent.open_session(str(self._config.workspace))
        session_id = report.session_id or ""
        wanted = "read-only"
        if agent.modes.get(session_id) != wanted:
            await agent.set_mode(session_id, wanted)
        reported = agent.modes.get(session_id)
        if reported != wanted:
            raise ConfinementError(
                f"The agent reports the mode {reported!r}; {wanted!r} was asked. No prompt was sent.",
                "Use codex-acp at the supported version (`codex-fusion doctor` tells).",
                agent.stderr,
            )
        return Conversation(agent, session_id, wanted, anyio.current_time())
