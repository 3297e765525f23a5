"""refcounts: no call takes references to True, False or None away."""

from __future__ import annotations

from typing import ClassVar, List

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.checkers.said_inside import hooked
from sim.history.history import History

REFCOUNTS = "refcounts"  # the hook; sim/inside/refcounts.py has its words


class Refcounts:
    """Of calls that a program had counted by sim.inside.refcounts.

    One reference less a call kills sooner or later. Fewer are either that on some path alone, or
    references that the program held and has dropped: unknown. Whoever keeps more, may.
    """

    alias: ClassVar[str] = "refcounts"
    doc: ClassVar[str] = "no counted call takes references to True, False or None away"

    def check(self, history: History) -> Result:
        invalid: List[Finding] = []
        unknown: List[Finding] = []
        is_counted = False
        for index, op, detail in hooked(history, REFCOUNTS):
            is_counted = True
            place = f"{op.process}: {detail.get('call')}"
            calls = int(detail.get("calls") or 0)
            if detail.get("immortal"):
                why = f"{place}: nothing is counted in a Python whose constants are immortal"
                unknown.append(Finding(why, (index,)))
                continue
            for constant, change in dict(detail.get("drift") or {}).items():
                lost = -int(change)
                why = f"{place} lost {lost} references to {constant} in {calls} calls"
                if lost >= calls > 0:
                    left = dict(detail.get("left") or {}).get(constant)
                    rest = "" if left is None else f"; {left} were left"
                    invalid.append(Finding(why + rest, (index,)))
                elif lost > 0:
                    why += ": neither none nor one each; count more calls"
                    unknown.append(Finding(why, (index,)))
        if not is_counted:
            unknown.append(Finding("no program had the references counted that its calls take"))
        return judged(self.alias, invalid, unknown)
