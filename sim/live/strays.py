"""Processes that a program has started and left behind, wherever they went."""

from __future__ import annotations

import os
import signal
import time
from typing import List, NamedTuple, Optional, Sequence, Set, Tuple

from sim.errors import WorldError
from sim.live.procfs import (
    command,
    has_signal,
    is_resource_tracker,
    read,
    stat,
    statuses,
)

RUN = "SPINBED_RUN"  # in the environment of a run's programs, and of all that they start
KILL_DEADLINE_NS = 20_000_000_000
UNLINKING_NS = 5_000_000_000  # for resource trackers
POLL_S = 0.002


class Stray(NamedTuple):
    pid: int
    command: str
    is_asleep: bool


def strays(run: str, others: Optional[Set[Tuple[int, int]]] = None) -> Sequence[Stray]:
    """Who has this run's name in the environment that it was started with. Whoever cleared that is
    found by the watcher alone, at the end of all runs. Two looks, where the first finds nobody:
    between the listing and the reading somebody may have forked and ended.

    `others` saves who looks again and again from reading everybody's environment, and is added to:
    processes, with the moment of their start, that had another one."""
    others = set() if others is None else others
    return _seen(run, others) or _seen(run, others)


def _seen(run: str, others: Set[Tuple[int, int]]) -> Sequence[Stray]:
    mark = f"{RUN}={run}".encode()
    found: List[Stray] = []
    # Not by parents: of somebody whose parent ends while they are read, nobody knows whose it is.
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        seen = stat(pid)
        if seen is None or seen.state in "ZX" or (pid, seen.start_ticks) in others:
            continue
        variables = read(pid, "environ").split(b"\0")
        if mark not in variables:
            if variables != [b""]:  # as it is in the middle of an exec
                others.add((pid, seen.start_ticks))
            continue
        found.append(Stray(pid, command(pid), is_asleep=seen.state not in "RD"))
    return found


def kill_strays(run: str) -> None:
    """Until there is none: resource trackers last, who end by themselves when they have unlinked
    what the others can no longer. Raises WorldError where one does not die in time."""
    began_ns = time.monotonic_ns()
    while True:
        left = strays(run)
        if not left:
            return
        waited_ns = time.monotonic_ns() - began_ns
        if waited_ns > KILL_DEADLINE_NS:
            raise WorldError("SIGKILL", pid=left[0].pid, detail=f"{left[0].command} does not end")
        for each in left:
            is_spared = waited_ns < UNLINKING_NS and is_resource_tracker(each.pid)
            try:
                os.kill(each.pid, signal.SIGCONT if is_spared else signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(POLL_S)


def ask_for_stack(pid: int) -> bool:
    """SIGUSR1, if it catches that: faulthandler then prints the stacks of its threads."""
    if not has_signal(read(pid, "status"), b"SigCgt:", signal.SIGUSR1):
        return False
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        return False
    return True


def prints_its_stack(pid: int) -> bool:
    """It has a SIGUSR1 before it, or is handling it, which blocks it in that thread."""
    return any(
        has_signal(status, field, signal.SIGUSR1)
        for status in statuses(pid)
        for field in (b"SigBlk:", b"SigPnd:", b"ShdPnd:")
    )
