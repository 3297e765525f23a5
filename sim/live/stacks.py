"""The Python stacks of processes that hang, printed by themselves."""

from __future__ import annotations

import signal
import time
from typing import Sequence

from sim.live.process import LiveProcess
from sim.live.strays import prints_its_stack
from sim.live.supervisor import Supervisor

WITHIN_NS = 1_000_000_000  # for the hung to print their stacks before they are killed
POLL_NS = 1_000_000


def collect_stacks(lives: Sequence[LiveProcess], supervisor: Supervisor) -> None:
    """On stderr, by faulthandler, which needs no GIL. Who can't print any more is skipped."""
    sizes = {life.name: life.stderr_bytes() for life in lives}
    for life in lives:
        life.send_signal(signal.SIGUSR1)

    def is_at_it(life: LiveProcess) -> bool:
        """It has not begun to print, or not ended: a stack is written line by line."""
        has_begun = life.stderr_bytes() != sizes[life.name]
        return not has_begun or (life.pid is not None and prints_its_stack(life.pid))

    deadline_ns = time.monotonic_ns() + WITHIN_NS
    while any(is_at_it(life) for life in lives if not life.is_dead):
        now_ns = time.monotonic_ns()
        if now_ns >= deadline_ns:
            return
        supervisor.pump(now_ns + POLL_NS)
