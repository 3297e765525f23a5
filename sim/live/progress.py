"""Does anything still move? Judged from flight recorders, without disturbing a participant."""

from __future__ import annotations

import time
from typing import List, Sequence

from sim.live.memory import IDLE_UNTIL_NS
from sim.live.process import HELD, RUNNING, LiveProcess

SAMPLES_PER_THRESHOLD = 10
SAMPLE_MIN_NS = 10_000_000
SAMPLE_MAX_NS = 100_000_000


class Progress:
    """Progress is an operation that ends ok. One that times out and is tried again is none."""

    def __init__(self, stall_threshold_ns: int) -> None:
        self._threshold_ns = stall_threshold_ns
        wanted_ns = stall_threshold_ns // SAMPLES_PER_THRESHOLD
        self._every_ns = min(max(wanted_ns, SAMPLE_MIN_NS), SAMPLE_MAX_NS)
        self._seen = -1
        self.moved_ns = self.next_sample_ns = time.monotonic_ns()
        self.restart()

    def restart(self) -> None:
        """Count from now: so far there was a reason why nothing had to move."""
        self.moved_ns = time.monotonic_ns()
        self.next_sample_ns = self.moved_ns + self._every_ns

    def is_stalled(self, now_ns: int, processes: Sequence[LiveProcess]) -> bool:
        """No progress for the threshold, though an operation is open and nobody is idle by plan."""
        if now_ns < self.next_sample_ns:
            return False
        self.next_sample_ns = now_ns + self._every_ns
        ok = sum(process.ops_ok() for process in processes)
        if ok != self._seen or any(is_idle(process, now_ns) for process in processes):
            self._seen = ok
            self.moved_ns = now_ns
            return False
        return now_ns - self.moved_ns >= self._threshold_ns and bool(waiting(processes))


def is_idle(process: LiveProcess, now_ns: int) -> bool:
    """It pauses because its workload says so, or is about to begin or to go on."""
    if process.is_dead:
        return False
    if process.state not in (RUNNING, HELD):
        return True
    return int(process.memory.words[IDLE_UNTIL_NS]) > now_ns


def waiting(processes: Sequence[LiveProcess]) -> List[str]:
    return [process.name for process in processes if process.is_waiting()]
