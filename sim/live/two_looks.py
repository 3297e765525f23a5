"""What two looks at the same processes and ring, a moment apart, have to say together."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from sim.live import procfs

WINDOW_NS = 100_000_000  # between both looks: a core's time slices are some milliseconds

SHOWS_WAITING = ("heartbeat_ns", "readers_parked", "writer_parked")  # and no progress


def without_waiting(state: Mapping[str, Any]) -> Dict[str, Any]:
    """What the words of a ring say, but for those that a waiter changes while it waits."""
    kept: Dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            value = without_waiting(value)
        elif key == "reader":
            value = [without_waiting(each) for each in value]
        if key not in SHOWS_WAITING:
            kept[key] = value
    return kept


def told(
    now: Mapping[int, procfs.Thread], before: Mapping[int, procfs.Thread]
) -> List[Dict[str, Any]]:
    """Of each thread, with the processor time that it used, or queued for, since the first look."""
    found: List[Dict[str, Any]] = []
    for tid, thread in sorted(now.items()):
        first = before.get(tid, thread)
        found.append(
            {
                "tid": tid,
                "state": thread.state,
                "cpu_ns": thread.cpu_ns - first.cpu_ns,
                "queued_ns": thread.queued_ns - first.queued_ns,
                "switches": thread.switches - first.switches,
                "wait_channel": thread.wait_channel,
                "system_call": thread.system_call,
            }
        )
    return found
