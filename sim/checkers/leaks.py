"""leaks: the run left nothing behind."""

from __future__ import annotations

from typing import ClassVar

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.history.history import History
from sim.history.op import LEAK


class Leaks:
    alias: ClassVar[str] = "leaks"
    doc: ClassVar[str] = "no shared memory, process or file of the run is left behind"

    def check(self, history: History) -> Result:
        findings = []
        for index, op in enumerate(history.ops):
            if op.f == LEAK:
                names = ", ".join(str(name) for name in (op.detail or {}).get("names", ()))
                findings.append(Finding(f"{op.process}: left behind: {names or '?'}", (index,)))
        return judged(self.alias, findings)
