"""In CI a test that did not run, or was let fail, fails the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

UNWANTED = ("skipped", "xfailed", "xpassed", "deselected")


class NoSkips:
    """A pytest plugin: see above."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a success that leaves something out into a failure."""
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert isinstance(reporter, pytest.TerminalReporter)
        counts = {outcome: len(reporter.stats.get(outcome, ())) for outcome in UNWANTED}
        self._found = {outcome: count for outcome, count in counts.items() if count}
        if self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Say so where the reader looks."""
        yield
        if self._found:
            counted = ", ".join(f"{count} {outcome}" for outcome, count in self._found.items())
            terminalreporter.write_line(f"ERROR: in CI every test must run and pass: {counted}", red=True)
