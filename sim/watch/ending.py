"""Ends what a wait that is given up has started."""

from __future__ import annotations

import os
import signal
import time
from typing import Iterator, List, Sequence

from sim.live.procfs import is_resource_tracker, stat
from sim.watch.family import Family

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
DEADLINE_NS = 20_000_000_000
POLL_S = 0.002


def now_ticks() -> int:
    """As /proc has a process's start."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS_PER_S)


def next_tick() -> int:
    """Waits for it: nobody who is there already has started as late as that."""
    before = now_ticks()
    while now_ticks() == before:
        time.sleep(1 / TICKS_PER_S / 4)
    return before + 1


def end_below(family: Family, since_ticks: int, but: int = 0) -> Sequence[int]:
    """SIGKILL for all but the root who started at `since_ticks` or later, until none is left, or
    some do not die in time. Their pids."""
    ended: List[int] = []
    deadline_ns = time.monotonic_ns() + DEADLINE_NS
    while time.monotonic_ns() < deadline_ns:
        left = [pid for pid in _started(family, since_ticks) if pid != but]
        if not left:
            break
        for pid in left:
            if pid not in ended and _kill(pid, since_ticks):
                ended.append(pid)
        time.sleep(POLL_S)
    return ended


def _started(family: Family, since_ticks: int) -> Iterator[int]:
    for pid in family.below():
        found = stat(pid)
        if found is None or found.state in "ZX" or found.start_ticks < since_ticks:
            continue
        if not is_resource_tracker(pid):
            yield pid


def _kill(pid: int, since_ticks: int) -> bool:
    """By pidfd: the pid may be somebody else's by now."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        found = stat(pid)
        if found is None or found.start_ticks < since_ticks:
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return True
