"""What one server stands on: its configuration, and what the first call that needs it makes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from codex_fusion.config import Config
    from codex_fusion.errors import ConfigurationError
    from codex_fusion.library import Library
    from codex_fusion.workplace import Workplace

TURN_ENDS_S = 0.3
"""At the server's end: how long its turn may take to clean up and write its record."""


class Premises:
    """Of one server; `problem` is a configuration that can't be served, and `config` is None then."""

    def __init__(self, config: Config | None, problem: ConfigurationError | None, tasks: TaskGroup) -> None:
        self.config = config
        self.problem = problem
        self._tasks = tasks
        self._workplace: Workplace | None = None
        self._library: Library | None = None

    def workplace(self) -> Workplace:
        """Where calls are carried out. Starts no agent. Only without a `problem`."""
        if self._workplace is None:
            from codex_fusion.workplace import Workplace

            config = self._configured()
            self._workplace = Workplace(config, dict(os.environ), self._tasks, self.library())
        return self._workplace

    def library(self) -> Library:
        """The debates that can be read. Only without a `problem`."""
        if self._library is None:
            from codex_fusion.library import Library

            self._library = Library.of(self._configured(), os.environ)
        return self._library

    async def close(self) -> None:
        """End the agent, if there is one. Bounded, and shielded where it matters."""
        if self._workplace is not None:
            await self._workplace.close(turn_ends_s=TURN_ENDS_S)

    def _configured(self) -> Config:
        if self.config is None:  # pragma: no cover - there is a problem then
            raise AssertionError
        return self.config
