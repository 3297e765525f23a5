"""A circle through several rings: each of its processes waits in one for another, which has a place
there and waits in the next. No ring shows it by itself: there, who is waited for is merely busy."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from sim.hang import observed
from sim.hang.classes import Hang, Wait
from sim.history.hang_class import HangClass


class _Step(NamedTuple):
    """One process that waits, where, and for which other one."""

    pid: int
    ring: str
    op: Mapping[str, Any]
    waits_for: int

    @property
    def doing(self) -> str:
        return f"{self.op['f']} of message {self.op['position']} of {self.ring}"


def circle(
    regions: Sequence[Mapping[str, Any]], names: Optional[Mapping[int, str]] = None
) -> Optional[Tuple[str, Hang]]:
    """The rings that it goes through, and the hang; None: there is none. `names`: of processes that
    have one."""
    steps: Dict[int, List[_Step]] = {}
    for region in regions:
        for step in _steps(region):
            steps.setdefault(step.pid, []).append(step)
    for pid in sorted(steps):
        found = _back_to(pid, pid, steps, ())
        if found:
            return ", ".join(dict.fromkeys(step.ring for step in found)), _hang(found, names or {})
    return None


def _steps(region: Mapping[str, Any]) -> Sequence[_Step]:
    if region["moved"] or not region["processes"]:
        return ()
    seats = {each["name"]: each for each in region["processes"]}
    return [
        _Step(seats[name]["pid"], region["name"], seats[name]["op"], seats[peer]["pid"])
        for name, peers in observed.waits_for(region).items()
        for peer in peers
        if "pid" in seats[peer]
    ]


def _back_to(
    start: int, pid: int, steps: Mapping[int, Sequence[_Step]], path: Tuple[_Step, ...]
) -> Tuple[_Step, ...]:
    """From one of its processes to itself, or nothing."""
    for step in steps.get(pid, ()):
        if step.waits_for == start:
            return (*path, step)
        if step.waits_for not in {start, *(each.pid for each in path)}:
            found = _back_to(start, step.waits_for, steps, (*path, step))
            if found:
                return found
    return ()


def _hang(steps: Sequence[_Step], names: Mapping[int, str]) -> Hang:
    """Each of them waits, and is waited for."""
    called = {step.pid: names.get(step.pid, f"process {step.pid}") for step in steps}
    who = tuple(called.values())
    waits = tuple(
        Wait(called[step.pid], step.ring, str(step.op["f"]), (), (called[step.waits_for],))
        for step in steps
    )
    why = "; ".join(
        f"{called[step.pid]} waits in {step.doing} for {called[step.waits_for]}" for step in steps
    )
    return Hang(HangClass.DEADLOCK, who, who, why, observed.INFERRED, waits)
