from __future__ import annotations

import pytest

from tests.support.no_skips import NoSkips


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("pytest.skip('not installed')", "1 skipped"),
        ("pytest.importorskip('no_such_module')", "1 skipped"),
        ("pytest.xfail('later')", "1 xfailed"),
    ],
)
def test_in_ci_a_test_that_did_not_run_fails_the_run(pytester: pytest.Pytester, body: str, told: str) -> None:
    pytester.makepyfile(f"import pytest\ndef test_runs(): pass\ndef test_left_out(): {body}\n")
    result = pytester.runpytest_inprocess(plugins=[NoSkips()])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"ERROR: in CI every test must run and pass: {told}"])


def test_in_ci_a_run_that_left_nothing_out_succeeds(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_runs(): pass")
    assert pytester.runpytest_inprocess(plugins=[NoSkips()]).ret == pytest.ExitCode.OK
