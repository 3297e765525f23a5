"""Whether anybody is left who could do something, among processes that stand still: evidence in,
yes or no out. Plan and faults are not looked at."""

from __future__ import annotations

from typing import Any, Mapping

Evidence = Mapping[str, Any]  # as sim.live.program_evidence collects it


def nobody_can_move(evidence: Evidence) -> bool:
    """Every thread waits for others of these processes, without a time-out, or its process is
    stopped or frozen: all would go on waiting however long they are watched. False also where it
    is not known what a thread waits for, and of a process that a debugger has stopped."""
    there = {process["pid"] for process in evidence["processes"]}
    return bool(there) and all(
        process["state"] == "T"
        or process["is_frozen"]
        or (not process["timers"] and waits_within(process, there))
        for process in evidence["processes"]
    )


def waits_within(process: Mapping[str, Any], there: set[int]) -> bool:
    """All of its threads, for one of those."""
    return bool(process["threads"]) and all(
        thread["wakers"] is not None
        and there.issuperset(thread["wakers"])
        and not thread["cpu_ns"]
        and not thread["switches"]
        for thread in process["threads"]
    )
