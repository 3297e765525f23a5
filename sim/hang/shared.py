"""Why processes do not get on that share locks or regions, told from evidence.

Who has a mutex or a file's lock is recorded, and may be dead. Who has a semaphore is not: where all
that could give it back wait for ever, and one that could have had it was killed, it had it.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from sim.hang.classes import Hang
from sim.hang.standstill import waits_within
from sim.history.hang_class import HangClass

Evidence = Mapping[str, Any]  # as sim.live.program_evidence collects it
Lock = Mapping[str, Any]
Process = Mapping[str, Any]

WORKING = 0.1  # of a core, over the window
SYNCHRONIZE = "multiprocessing/synchronize.py"
INFERRED = "inferred: nobody has intervened"


def tell_of_locks(evidence: Evidence) -> Optional[Hang]:
    scene = _Scene(evidence)
    for lock in evidence["shared"]["locks"]:
        if lock["owner"] is not None and not lock["is_owner_alive"]:
            who = scene.names(lock["waiters"])
            why = f"{who} for {_called(lock)}, and process {lock['owner']}, which has it, is dead"
            return scene.hang(HangClass.LOCK_OWNER_DEAD, lock["waiters"], why)
    for lock in evidence["shared"]["locks"]:
        if lock["kind"] == "semaphore" and scene.is_given_back_by_nobody(lock):
            return scene.of_semaphore(lock)
    return None


def tell_of_regions(evidence: Evidence) -> Optional[Hang]:
    """Two of one name, each with somebody in it who waits."""
    scene = _Scene(evidence)
    by_name: Dict[str, List[Mapping[str, Any]]] = {}
    for region in evidence["shared"]["regions"]:
        by_name.setdefault(region["name"], []).append(region)
    for name, regions in by_name.items():
        for one in regions:
            for other in regions:
                apart = [set(each["mapped_by"]) for each in (one, other)]
                is_apart = one is not other and not apart[0] & apart[1]
                if is_apart and not scene.is_any_at_work(apart[0] | apart[1]):
                    first, second = (scene.names(sorted(each)) for each in apart)
                    why = f"{first} in the region {name}, and {second} in another one of that name"
                    return scene.hang(HangClass.SEGMENT_GONE, [*apart[0], *apart[1]], why)
    return None


class _Scene:
    def __init__(self, evidence: Evidence) -> None:
        self._window_ns = evidence["window_ns"]
        self._processes = {each["pid"]: each for each in evidence["processes"]}
        self._dead: Sequence[Mapping[str, Any]] = evidence["shared"]["dead"]

    def hang(self, kind: HangClass, pids: Sequence[int], why: str) -> Hang:
        return Hang(kind, tuple(map(self.name, sorted(pids))), (), why, INFERRED)

    def name(self, pid: int) -> str:
        seen = self._processes.get(pid)
        return f"process {pid}" if seen is None or seen["name"] is None else str(seen["name"])

    def names(self, pids: Sequence[int]) -> str:
        return f"{' and '.join(map(self.name, pids))} wait{'s' if len(pids) == 1 else ''}"

    def is_given_back_by_nobody(self, lock: Lock) -> bool:
        """All who have it mapped wait for processes that are seen here; and it is a lock, no
        condition that waits for what is to happen."""
        there = set(self._processes)
        seen = [self._processes[pid] for pid in lock["mapped_by"] if pid in there]
        return (
            len(seen) == len(lock["mapped_by"])
            and all(waits_within(each, there) for each in seen)
            and not any(map(_waits_for_condition, seen))
        )

    def of_semaphore(self, lock: Lock) -> Hang:
        who = f"{self.names(lock['waiters'])} for {_called(lock)}"
        taken = self._taken(lock)
        if taken:
            why = f"{who}, which is taken by {' and '.join(map(self.name, taken))}"
            return self.hang(HangClass.DEADLOCK, lock["waiters"], why)
        if taken is not None:
            why = f"{who}, which is taken, and by none of those who are alive"
            return self.hang(HangClass.LOCK_OWNER_DEAD, lock["waiters"], why)
        killed = [each for each in self._dead if each["status"]]
        if not killed:
            why = f"{who}, and nobody is there who would give it back"
            return self.hang(HangClass.DEADLOCK, lock["waiters"], why)
        dead = " and ".join(f"process {each['pid']} ({_end(each['status'])})" for each in killed)
        why = f"{who}, of those who are alive nobody would give it back, and dead is {dead}"
        return self.hang(HangClass.LOCK_OWNER_DEAD, lock["waiters"], why)

    def _taken(self, lock: Lock) -> Optional[Sequence[int]]:
        """Who has it, by their own count; None: not all have said, or it is none of those locks."""
        said: Dict[int, int] = {}
        for pid, address in lock["at"]:
            known = self._processes[pid]["shared_locks"]
            if known is None:
                return None
            for each in known:
                if each["address"] == address:
                    said[pid] = said.get(pid, 0) + each["taken"]
        if not set(lock["waiters"]) <= set(said):
            return None
        return [pid for pid, taken in said.items() if taken]

    def is_any_at_work(self, pids: Set[int]) -> bool:
        threads = [each for pid in pids for each in self._processes[pid]["threads"]]
        return any(each["cpu_ns"] > WORKING * self._window_ns for each in threads)


def _called(lock: Lock) -> str:
    return f"the {lock['kind']} {lock['name']}"


def _end(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"by signal {os.WTERMSIG(status)}"
    return f"exited with {os.WEXITSTATUS(status)}"


def _waits_for_condition(process: Process) -> bool:
    return any(
        frame["file"].endswith(SYNCHRONIZE) and frame["function"] == "wait"
        for stack in process["stacks"]
        for frame in stack
    )
