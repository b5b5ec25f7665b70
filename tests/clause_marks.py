"""Which promises the tests of this run carried, and how each ended: a whole run ends red where one is not shown.

Marks travel in each test's properties, so that they come through from the processes of pytest-xdist.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from retention import policy, promises, tested
from retention.promises import Promise

_NAME = "clause"


class ClauseMarks:
    """A plugin: notes the ids on every test, and after a whole run asks every kept promise for a test that passed."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()
        self.said: list[str] = []
        self._ended: tuple[Counter[str], Counter[str]] = Counter(), Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the marks where reports find them."""
        for item in items:
            item.user_properties += [(_NAME, mark.args[0]) for mark in item.iter_markers(_NAME)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended; a setup or a teardown that fails counts as well."""
        ids = {str(value) for name, value in report.user_properties if name == _NAME}
        passed, failed = self._ended
        if report.failed:
            self.failed |= ids
            failed.update(ids)
        elif report.when == "call" and report.passed:
            self.passed |= ids
            passed.update(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End red where a kept promise was not shown; a run of some tests alone shows only some."""
        if not _is_whole(session.config) or session.exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        self.said = self.unshown(promises.load(policy.load()))
        # What an installation beside these tests shows of them.
        tested.write(*self._ended, datetime.now(UTC).replace(tzinfo=None))
        if self.said and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which."""
        for line in self.said:
            terminalreporter.write_line(line, red=True)

    def unshown(self, every: Iterable[Promise]) -> list[str]:
        """What of the kept promises no test of this run has shown, and which marks nobody promised."""
        listed = list(every)
        bound = [one for one in listed if one.kept and one.tests]
        return [
            *(f"promise {one.id} is kept, and no test of it passed" for one in bound if one.id not in self.passed),
            *(f"promise {one.id} is kept, and a test of it failed" for one in bound if one.id in self.failed),
            *(
                f"a test is marked {mark}, which is no promise"
                for mark in sorted((self.passed | self.failed) - {one.id for one in listed})
            ),
        ]


def _is_whole(config: pytest.Config) -> bool:
    chosen = config.args_source is not pytest.Config.ArgsSource.ARGS and not config.getoption("keyword")
    of_a_worker = hasattr(config, "workerinput")
    return chosen and not of_a_worker and config.getoption("markexpr") in {"", "not soak"}
