"""imports: every module was executed once, and nobody got half of one or a stale one."""

from __future__ import annotations

from typing import ClassVar, Dict, List, Tuple

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.checkers.said_inside import Life, hooked, life_of, unwatched
from sim.history.history import History

WATCH = "watch"  # the hook; sim/inside/import_watch.py has its words


class Imports:
    """Judged for each process of the OS by itself. An import that raised does not count: its
    module is gone, and another try is another import."""

    alias: ClassVar[str] = "imports"
    doc: ClassVar[str] = "no module is met half-initialised, executed twice, or as two objects"

    def check(self, history: History) -> Result:
        findings: List[Finding] = []
        executed: Dict[Tuple[Life, str], List[int]] = {}
        for index, op, detail in hooked(history, WATCH):
            name, event = str(detail.get("module")), detail.get("event")
            if event == "ended":
                executed.setdefault((life_of(op), name), []).append(index)
            if event != "obtained":
                continue
            who = f"{op.process}: {detail.get('thread')}"
            through = str(detail.get("through", name))
            by = "" if through == name else f", on its way to {through}"
            if detail.get("partial"):
                findings.append(Finding(f"{who} got {name} half-initialised{by}", (index,)))
            elif detail.get("replaced"):
                why = f"{who} got an object of {name} that is not the one in sys.modules{by}"
                findings.append(Finding(why, (index,)))
        for (life, name), indices in executed.items():
            if len(indices) > 1:
                times = "twice" if len(indices) == 2 else f"{len(indices)} times"
                why = f"{life[0]}: {name} was executed {times} in one process"
                findings.append(Finding(why, tuple(reversed(indices))))
            objects = {(history.ops[index].detail or {}).get("id") for index in indices}
            if len(objects) > 1:
                why = f"{life[0]}: {len(objects)} module objects have had the name {name}"
                findings.append(Finding(why, tuple(reversed(indices))))
        return judged(self.alias, findings, unwatched(history, WATCH))
