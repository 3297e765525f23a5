"""environ: no import changes the environment of its process."""

from __future__ import annotations

from typing import ClassVar, List

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.checkers.said_inside import hooked, unwatched
from sim.history.history import History

ENVIRON = "environ"  # the hook; sim/inside/environ_watch.py has its words


class Environ:
    alias: ClassVar[str] = "environ"
    doc: ClassVar[str] = "no module's body leaves os.environ other than it was"

    def check(self, history: History) -> Result:
        findings: List[Finding] = []
        for index, op, detail in hooked(history, ENVIRON):
            did = f"{detail.get('event')} {detail.get('variable')}"
            why = f"{op.process}: the import of {detail.get('module')} has {did}"
            findings.append(Finding(why, (index,)))
        return judged(self.alias, findings, unwatched(history, ENVIRON))
