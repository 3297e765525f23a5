"""blames: whoever the policy of a cluster blames had a fault.

This is the accuracy of a failure detector (Chandra and Toueg, Unreliable failure detectors for
reliable distributed systems, Journal of the ACM 43(2), 1996). That faults are found at all, its
completeness, is what a scenario expects, with a time.
"""

from __future__ import annotations

from typing import ClassVar, Dict, List, NamedTuple, Sequence

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.history.history import History
from sim.history.op import BLAME, HEAL, INJECT, OK, STEP

_NEVER = 1 << 63  # later than every clock
NOBODY = "nobody"  # an alarm that names no one


class Fault(NamedTuple):
    """From when to when a fault may be what somebody is blamed for."""

    target: str
    from_ns: int
    to_ns: int


class Blames:
    """A fault accounts for blame of its target, of the host that the target is on, and of what is
    on the target; until the end of the step in which it healed, which it may have held up.
    """

    alias: ClassVar[str] = "blames"
    doc: ClassVar[str] = "who is blamed had a fault, or was on a host that had one"

    def check(self, history: History) -> Result:
        struck = faults(history)
        findings: List[Finding] = []
        for index, op in enumerate(history.ops):
            if op.f != BLAME:
                continue
            detail = op.detail or {}
            target = str(detail.get("target"))
            if target != NOBODY and not is_right(target, op.time_ns, struck):
                why = f"{target} was blamed by {detail.get('policy')} although it had no fault: "
                findings.append(Finding(why + str(detail.get("why")), (index,)))
        return judged(self.alias, findings)


def is_right(target: str, time_ns: int, struck: Sequence[Fault]) -> bool:
    """Was there a fault at that time which somebody of this name may be blamed for?"""
    return any(
        fault.from_ns <= time_ns <= fault.to_ns and concerns(fault.target, target)
        for fault in struck
    )


def concerns(one: str, other: str) -> bool:
    """Are both the same, or is one on the other? What the writer does, concerns everybody."""
    return (
        one == other
        or one == "writer"
        or one.startswith(f"{other}.")
        or other.startswith(f"{one}.")
    )


def faults(history: History) -> Sequence[Fault]:
    """Those that fired, in the order in which they did."""
    open_: Dict[object, Fault] = {}
    found: List[Fault] = []
    step_ends = [op.time_ns for op in history.ops if op.f == STEP and op.type == OK]
    for op in history.ops:
        detail = op.detail or {}
        if op.f == INJECT and detail.get("fired"):
            open_[detail.get("injection")] = Fault(str(detail.get("target")), op.time_ns, _NEVER)
        elif op.f == HEAL and detail.get("injection") in open_:
            fault = open_.pop(detail.get("injection"))
            until_ns = next((end_ns for end_ns in step_ends if end_ns >= op.time_ns), _NEVER)
            found.append(fault._replace(to_ns=until_ns))
    return sorted([*found, *open_.values()], key=lambda fault: fault.from_ns)
