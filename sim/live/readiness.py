"""Waiting until those who were started are attached, or have died of it."""

from __future__ import annotations

import time
from typing import Callable, Sequence

from sim.errors import WorldError
from sim.live.process import DEAD, READY, LiveProcess
from sim.live.supervisor import Supervisor, describe_exit

# A cold start of an interpreter with all imports, many at a time on few cores.
READY_DEADLINE_NS = 60_000_000_000


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
            tail = life.stderr_tail().strip().splitlines()
            said = tail[-1] if tail else "it said nothing"
            outcome = describe_exit(life.code)
            detail = f"{life.name} ended ({outcome}) before it was ready: {said}"
            raise WorldError("start", pid=life.pid, detail=detail)
