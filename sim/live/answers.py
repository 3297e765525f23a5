"""What the interpreters of hung programs answer when they are asked for which locks they wait."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from sim.inside.lock_waits import SIGNAL
from sim.live import procfs
from sim.live.supervisor import Supervisor

POLL_NS = 5_000_000
UNMOVED_NS = 200_000_000
WITHIN_NS = 1_000_000_000  # for all together
# A main thread that had so much of a core meanwhile would have answered, if it could; one that had
# less in the whole of the time tells nothing.
RAN_NS = 50_000_000
WITHIN_MAX_NS = 5_000_000_000


class Answers:
    """By pid, as sim.inside.lock_waits says them; anybody's program may say anything."""

    def __init__(self) -> None:
        self.heard: Dict[int, Sequence[Mapping[str, Any]]] = {}
        # By pid, as sim.inside.shared_locks has them.
        self.shared: Dict[int, Sequence[Mapping[str, int]]] = {}

    def hear(self, said: Mapping[str, Any]) -> None:
        locks = said.get("locks")
        entries = locks if isinstance(locks, list) else []
        self.heard[said.get("pid", 0)] = [
            {"tid": each["tid"], "lock": each["lock"]}
            for each in entries
            if isinstance(each, dict) and type(each.get("tid")) is int
            if isinstance(each.get("lock"), str)
        ]
        known = said.get("shared")
        self.shared[said.get("pid", 0)] = [
            {"address": each["address"], "taken": each["taken"]}
            for each in (known if isinstance(known, list) else [])
            if isinstance(each, dict)
            if type(each.get("address")) is int and type(each.get("taken")) is int
        ]

    def of(self, pids: Sequence[int], supervisor: Supervisor) -> Dict[int, Optional[List[Any]]]:
        """Of those that can be asked; None: its main thread did not come to Python to answer."""
        self.heard, self.shared = {}, {}
        asked = [_Asked(pid) for pid in pids if _ask(pid)]
        while any(each.may_yet() for each in asked if each.pid not in self.heard):
            supervisor.pump(time.monotonic_ns() + POLL_NS)
        found: Dict[int, Optional[List[Any]]] = {}
        for each in asked:
            if each.pid in self.heard:
                found[each.pid] = [*self.heard[each.pid]]
            elif each.is_silent():
                found[each.pid] = None
        return found


class _Asked:
    """A main thread, from the question on."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._seen = procfs.threads(pid).get(pid)
        self._ran_ns = self._seen.cpu_ns if self._seen is not None else 0
        self._began_ns = self._since_ns = time.monotonic_ns()

    def may_yet(self) -> bool:
        """False also of one that sleeps on, unmoved: a signal that Python handles would wake it."""
        now_ns = time.monotonic_ns()
        seen = procfs.threads(self.pid).get(self.pid)
        if seen != self._seen:
            self._seen, self._since_ns = seen, now_ns
        if seen is None or (seen.state == "S" and now_ns - self._since_ns > UNMOVED_NS):
            return False
        waited_ns = now_ns - self._began_ns
        has_run = seen.state != "R" or seen.cpu_ns - self._ran_ns > RAN_NS
        return waited_ns < (WITHIN_NS if has_run else WITHIN_MAX_NS)

    def is_silent(self) -> bool:
        """Not one that has not run since, nor one that blocks the signal."""
        seen = self._seen
        if seen is None or procfs.has_signal(
            procfs.read(self.pid, "status"), b"ShdPnd:", SIGNAL
        ):
            return False
        return seen.state != "R" or seen.cpu_ns - self._ran_ns > RAN_NS


def _ask(pid: int) -> bool:
    """Who is stopped, or does not catch the signal, is not asked."""
    if procfs.is_stopped(pid) or not procfs.has_signal(
        procfs.read(pid, "status"), b"SigCgt:", SIGNAL
    ):
        return False
    try:
        os.kill(pid, SIGNAL)
    except ProcessLookupError:
        return False
    return True
