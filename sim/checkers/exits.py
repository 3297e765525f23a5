"""exits: every process ended, and as it should."""

from __future__ import annotations

from typing import ClassVar, Dict, List, Tuple

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.history.history import History
from sim.history.op import EXIT, SPAWN

NEVER_STARTED = "never started"  # what a fault accounts for that keeps somebody away


class Exits:
    """Exit 0, or an exit that a fault or the scenario accounts for.

    A SIGKILL that nobody asked for comes from outside, most often from the OOM killer, and says
    nothing of the system under test. A process that the end of the run ended is for liveness.
    """

    alias: ClassVar[str] = "exits"
    doc: ClassVar[str] = "every process exits with 0, or as a fault or the scenario accounts for"

    def check(self, history: History) -> Result:
        invalid: List[Finding] = []
        unknown: List[Finding] = []
        spawned: Dict[Tuple[str, int], int] = {}
        exited = set()
        for index, op in enumerate(history.ops):
            if op.f == SPAWN:
                spawned[op.process, op.incarnation] = index
            if op.f != EXIT:
                continue
            exited.add((op.process, op.incarnation))
            outcome = op.outcome or "an unknown exit"
            if (op.detail or {}).get("ended_by") or outcome == "0":
                continue
            if history.header.allows("exit", op.process, outcome):
                continue
            place = f"{op.process}: incarnation {op.incarnation}"
            if outcome == "SIGKILL":
                why = f"{place} was killed from outside, e.g. by the OOM killer"
                unknown.append(Finding(why, (index,)))
            else:
                why = f"{place} exited with {outcome}, which nothing accounts for; expected 0"
                invalid.append(Finding(why, (index,)))
        for (process, incarnation), index in spawned.items():
            if (process, incarnation) not in exited:
                why = f"{process}: incarnation {incarnation} was started and never exited"
                invalid.append(Finding(why, (index,)))
        started = {process for process, _ in spawned}
        for planned in history.header.processes:
            is_expected = history.header.allows("exit", planned.name, NEVER_STARTED)
            if planned.name not in started and not is_expected:
                unknown.append(Finding(f"{planned.name}: was never started"))
        return judged(self.alias, invalid, unknown)
