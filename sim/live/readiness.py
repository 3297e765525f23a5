"""Waiting until those who were started are attached, or have died of it."""

from __future__ import annotations

import time
from typing import Callable, Sequence

from sim.errors import WorldError
from sim.live.process import DEAD, READY, LiveProcess
from sim.live.supervisor import Supervisor, describe_exit

# A cold start of an interpreter with all imports, many at a time on few cores.
READY_DEADLINE_NS = 60_000_000_000
QUOTED_LINES_MAX = 16  # of its standard error: the innermost frames of a traceback


def await_ready(
    lives: Sequence[LiveProcess],
    supervisor: Supervisor,
    is_at_step: Callable[[LiveProcess], bool],
    look_ns: Callable[[], int],
) -> None:
    """Who comes to the step of a fault on the way is not waited for: it may be dead of it, too.

    `look_ns` says when to ask again for that. Raises WorldError for anybody else who dies.
    """
    deadline_ns = time.monotonic_ns() + READY_DEADLINE_NS
    while True:
        on_the_way = [life for life in lives if not is_at_step(life)]
        late = [life for life in on_the_way if life.state not in (READY, DEAD)]
        if not late:
            break
        if time.monotonic_ns() >= deadline_ns:
            detail = f"{late[0].name} does not get ready"
            raise WorldError("start", pid=late[0].pid, detail=detail)
        supervisor.pump(min(deadline_ns, look_ns()))
    for life in on_the_way:
        if life.is_dead:
            assert life.code is not None
            how = f"{life.name} ended ({describe_exit(life.code)}) before it was ready"
            raise WorldError("start", pid=life.pid, detail=f"{how}: {_said(life)}")


def _said(life: LiveProcess) -> str:
    """Its last line, which in a traceback names the exception, then what led to it."""
    lines = [line for line in life.stderr_tail().splitlines() if line.strip()][-QUOTED_LINES_MAX:]
    if not lines:
        return "it said nothing"
    led_to_it = [f"  | {line}" for line in lines[:-1]]
    return "\n".join([lines[-1].strip(), *led_to_it])
