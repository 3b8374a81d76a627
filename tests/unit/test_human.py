from __future__ import annotations

import pytest

from codex_fusion.human import Means, client_means


@pytest.mark.parametrize(
    ("name", "version", "shows_forms", "means"),
    [
        ("claude-code", "2.1.329", True, Means.CONFIRMS),
        ("claude-code", "2.1.328", True, Means.FORM),
        ("any", "", True, Means.FORM),
        ("claude-code", "2.1.329", False, Means.CONFIRMS),
        ("claude-code", "2.2.0", False, Means.CONFIRMS),
        ("claude-code", "3.0.0", False, Means.CONFIRMS),
        ("claude-code", "2.1.328", False, Means.NOTHING),
        ("claude-code", "2.1.99", False, Means.NOTHING),
        ("claude-code", "2.1", False, Means.NOTHING),
        ("claude-code", "", False, Means.NOTHING),
        ("claude-code", "new", False, Means.NOTHING),
        ("Claude Code", "2.1.329", False, Means.NOTHING),
        ("", "9.9.9", False, Means.NOTHING),
    ],
)
def test_only_a_claude_code_that_was_measured_is_trusted_to_ask_by_itself(
    name: str, version: str, means: Means, *, shows_forms: bool
) -> None:
    assert client_means(name, version, shows_forms=shows_forms) is means
