"""Puts the server's parts together for one workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from codex_fusion import nonce, paths, policy, wording
from codex_fusion.chronicle import Chronicle
from codex_fusion.config import WhoPermits
from codex_fusion.journal import Journal
from codex_fusion.library import Library
from codex_fusion.opening import AgentOpener
from codex_fusion.permissions import Judgement
from codex_fusion.scrub import scrub
from codex_fusion.service import Reply, Service
from codex_fusion.session import Session
from codex_fusion.status import describe
from codex_fusion.windows import Clears

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from anyio.abc import TaskGroup

    from codex_fusion.config import Config
    from codex_fusion.conversation import Viewer
    from codex_fusion.events import PermissionRequest
    from codex_fusion.human import Caller
    from codex_fusion.long_answers import Rest


class Workplace:
    """One workspace's session, and everything that it stands on. Lives as long as `tasks`."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        tasks: TaskGroup,
        library: Library | None = None,
        *,
        asker: str = "Claude",
    ) -> None:
        self._config = config
        self._journal = Journal(config.log)
        self._library = library or Library.of(config, environ)
        self._chronicle = Chronicle(self._library, str(config.workspace), self._journal, asker)
        self._opener = AgentOpener(config, environ, tasks)
        folder = nonce.project_dir(environ, str(config.workspace))
        nonce_path = nonce.path(folder, environ)
        self._session = Session(
            tasks=tasks,
            opener=self._opener,
            judge=self._judge,
            journal=self._journal,
            limit_s=config.turn_timeout_s,
            nonce=Clears(nonce_path).read,
            keep=self._chronicle.add,
        )
        self._service = Service(
            self._session,
            config.workspace,
            self._status,
            self._rest,
            by_person=config.permit is WhoPermits.HUMAN,
        )

    async def call(
        self, name: str, arguments: dict[str, Any] | None, viewer: Viewer, caller: Caller | None = None
    ) -> Reply:
        """Carry out one tool call. Whatever goes wrong becomes words: a client must read the reason."""
        try:
            return await self._service.call(name, arguments, viewer, caller)
        except Exception as error:  # noqa: BLE001 one bug fails that call, not the server
            self._journal.bug(error)
            text = scrub(f"✗ A fault of codex-fusion's own: {type(error).__name__}: {error}")
            return Reply((f"{text}\n→ Please report it with the server's stderr.",), is_error=True)

    async def close(self, *, turn_ends_s: float) -> None:
        """End the agent's process group; then give the turn it ended a moment to write its record."""
        turn = self._session.snapshot().turn
        if turn is not None:
            turn.cancel("the end of the server")  # also where the agent is only being started
        await self._session.close()
        if turn is not None:
            with anyio.move_on_after(turn_ends_s, shield=True):
                await turn.closed.wait()

    def _judge(self, request: PermissionRequest) -> Judgement:
        targets = paths.resolve(request, Path(self._config.workspace))
        decision = policy.decide(request, targets, self._config.allow)
        return Judgement(decision.allowed, decision.reason, wording.what(request))

    async def _rest(self, turn: int, head: str) -> Rest | None:
        debate_id = self._chronicle.debate_of(turn)
        return await self._library.rest(debate_id, turn, head) if debate_id is not None else None

    def _status(self) -> str:
        return describe(
            self._config, self._session.snapshot(), self._journal.log_problem, self._chronicle.problem
        )
