"""leaks: the run left nothing behind."""

from __future__ import annotations

from typing import ClassVar

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.history.history import History
from sim.history.op import LEAK

NAMES_MAX = 8  # the journal has all


class Leaks:
    alias: ClassVar[str] = "leaks"
    doc: ClassVar[str] = "no shared memory, process or file of the run is left behind"

    def check(self, history: History) -> Result:
        findings = []
        for index, op in enumerate(history.ops):
            if op.f == LEAK:
                left = [str(name) for name in (op.detail or {}).get("names", ())]
                names = ", ".join(left[:NAMES_MAX])
                if len(left) > NAMES_MAX:
                    names += f" and {len(left) - NAMES_MAX} more"
                findings.append(Finding(f"{op.process}: left behind: {names or '?'}", (index,)))
        return judged(self.alias, findings)
