"""What was said inside programs, as checkers of their start-up read it from a history."""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Optional, Tuple

from sim.checkers.finding import Finding
from sim.history.history import History
from sim.history.op import EXIT, HOOK, SPAWN, Op

Life = Tuple[str, int, Optional[int]]  # process, incarnation, pid: one process of the OS
START = "start"


def life_of(op: Op) -> Life:
    """A program may start processes of its own; they speak under its name."""
    return (op.process, op.incarnation, (op.detail or {}).get("pid"))


def hooked(history: History, hook: str) -> Iterator[Tuple[int, Op, Mapping[str, Any]]]:
    """Index, op and detail of what that hook said."""
    for index, op in enumerate(history.ops):
        detail = op.detail or {}
        if op.f == HOOK and detail.get("hook") == hook:
            yield index, op, detail


def unwatched(history: History, kind: str) -> List[Finding]:
    """Of each program in which nobody said that a hook of that kind is there."""
    watched = {
        op.process
        for _, op, detail in hooked(history, START)
        if kind in (detail.get("imports") or ())
    }
    programs = dict.fromkeys(op.process for op in history.ops if op.f in (SPAWN, EXIT))
    missing = [name for name in programs if name not in watched]
    if not programs:
        return [Finding("nothing was started")]
    return [Finding(f"{name}: nobody watched its imports: it is no Python that reads PYTHONPATH")
            for name in missing]  # fmt: skip
