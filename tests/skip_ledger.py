"""A plugin for pytest that counts tests and skips, and fails a run with a skip not on the list."""

from __future__ import annotations

import platform
from typing import Any, Callable, Dict, List, Optional, Sequence

import pytest

WORKER_OUTPUT = "skipped_while_collecting"
REASON_PREFIX = "Skipped: "


class SkipLedger:
    """Judges where the whole run is known: without xdist, or in its controller."""

    def __init__(
        self, config: pytest.Config, host: str, allows: Callable[[str, str], bool]
    ) -> None:
        self.config = config
        self.host = host
        self.allows = allows
        self.collected = 0
        self.skipped: Dict[str, str] = {}

    @property
    def unlisted(self) -> List[str]:
        return [
            f"{nodeid}: {reason}"
            for nodeid, reason in sorted(self.skipped.items())
            if not self.allows(without_folder(nodeid), reason)
        ]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = report.longrepr[2].replace(REASON_PREFIX, "", 1)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.collected = len(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """xdist drops what a worker skipped while it collected, so the worker sends it."""
        self.skipped.update(getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: Optional[Dict[str, Any]] = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[WORKER_OUTPUT] = self.skipped
        elif self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        unlisted = self.unlisted
        if unlisted:
            terminalreporter.section("skips that no line of expected_skips.py allows", red=True)
            for line in unlisted:
                terminalreporter.line(line)
        terminalreporter.line(
            f"{platform.python_implementation()} {platform.python_version()}, {self.host}: "
            f"{self.collected} collected, {len(self.skipped)} skipped, {len(unlisted)} not on the "
            "list"
        )


def without_folder(nodeid: str) -> str:
    path, colons, name = nodeid.partition("::")
    return path.rpartition("/")[2] + colons + name
