"""Does any process of a run of programs still do anything? Judged from /proc, without disturbing
one."""

from __future__ import annotations

import time
from typing import FrozenSet, Iterable, List, Optional, Sequence, Set, Tuple

from sim.live import procfs
from sim.live.program import LiveProgram
from sim.live.strays import strays

SAMPLES_PER_THRESHOLD = 5
SAMPLE_MIN_NS = 20_000_000
SAMPLE_MAX_NS = 250_000_000
REST_PER_LOOK = 50  # on a host with many processes a look takes long: 2 % of a core, no more

Times = FrozenSet[Tuple[int, int, bytes]]  # process, thread, and the times that it ran


class ProgramProgress:
    """Progress is that a thread was on a core at all, came or went. So who computes makes some, and
    so does who wakes up now and then to look for something."""

    def __init__(self, run: str, stall_threshold_ns: int) -> None:
        """`run`: as sim.live.strays has it."""
        self._run = run
        self._threshold_ns = stall_threshold_ns
        wanted_ns = stall_threshold_ns // SAMPLES_PER_THRESHOLD
        self._every_ns = min(max(wanted_ns, SAMPLE_MIN_NS), SAMPLE_MAX_NS)
        self._others: Set[Tuple[int, int]] = set()
        self.restart()

    def restart(self) -> None:
        """Count from now: so far there was a reason why nothing had to move."""
        self._seen: Optional[Times] = None
        self._seen_of_lives: Times = frozenset()
        self.moved_ns = self._looked_ns = time.monotonic_ns()
        self.next_sample_ns = self.moved_ns + self._every_ns

    def postpone(self) -> None:
        """It was looked at, and nothing was found: look again after another threshold."""
        self._looked_ns = time.monotonic_ns()

    def is_stalled(self, now_ns: int, lives: Sequence[LiveProgram]) -> bool:
        """Nobody has run for the threshold, though somebody is there."""
        if now_ns < self.next_sample_ns:
            return False
        pids = [life.pid for life in lives if life.pid is not None and not life.is_dead]
        self.next_sample_ns = now_ns + self._every_ns
        of_lives = _times(pids)
        if of_lives != self._seen_of_lives:  # then nobody else needs to be looked for
            self._seen_of_lives, self._seen = of_lives, None
            self.moved_ns = now_ns
            return False
        began_ns = time.thread_time_ns()
        others = {each.pid for each in strays(self._run, self._others)}
        seen = _times({*pids, *others})
        took_ns = time.thread_time_ns() - began_ns
        self.next_sample_ns = now_ns + max(self._every_ns, REST_PER_LOOK * took_ns)
        if seen != self._seen:
            self._seen = seen
            self.moved_ns = now_ns
        due_ns = max(self.moved_ns, self._looked_ns) + self._threshold_ns
        if now_ns < due_ns:  # however dear looks are, the one that decides is not late
            self.next_sample_ns = min(self.next_sample_ns, due_ns)
        return bool(pids) and now_ns >= due_ns


def _times(pids: Iterable[int]) -> Times:
    """Of all threads; without what the kernel keeps no times of, nobody is seen to stand still."""
    found: List[Tuple[int, int, bytes]] = []
    for pid in pids:
        for tid in procfs.thread_ids(pid):
            times = procfs.read(pid, f"task/{tid}/schedstat")
            found.append((pid, tid, times or str(time.monotonic_ns()).encode()))
    return frozenset(found)
