"""What the interpreters of hung programs answer when they are asked for which locks they wait."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from sim.inside.lock_waits import SIGNAL
from sim.live import procfs
from sim.live.supervisor import Supervisor

POLL_NS = 1_000_000
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
        asked = [pid for pid in pids if _ask(pid)]
        began_ns = time.monotonic_ns()
        ran_ns = {pid: _main(pid) for pid in asked}
        self.heard, self.shared = {}, {}
        while any(_may_yet(pid, ran_ns[pid], began_ns) for pid in asked if pid not in self.heard):
            supervisor.pump(time.monotonic_ns() + POLL_NS)
        found: Dict[int, Optional[List[Any]]] = {}
        for pid in asked:
            if pid in self.heard:
                found[pid] = [*self.heard[pid]]
            elif _is_asleep_or_ran(pid, ran_ns[pid]):
                found[pid] = None
        return found


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


def _may_yet(pid: int, ran_ns: int, began_ns: int) -> bool:
    waited_ns = time.monotonic_ns() - began_ns
    if waited_ns < WITHIN_NS:
        return procfs.stat(pid) is not None
    return waited_ns < WITHIN_MAX_NS and not _is_asleep_or_ran(pid, ran_ns)


def _is_asleep_or_ran(pid: int, ran_ns: int) -> bool:
    main = procfs.threads(pid).get(pid)
    return main is not None and (main.state != "R" or main.cpu_ns - ran_ns > RAN_NS)


def _main(pid: int) -> int:
    main = procfs.threads(pid).get(pid)
    return main.cpu_ns if main is not None else 0
