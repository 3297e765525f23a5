"""What faults act on: a simulated process that works, is stopped, is slow, dies."""

from __future__ import annotations

from typing import Callable, Optional

import simpy

Then = Callable[[], None]


class Host:
    """What its processes have in common."""

    __slots__ = ("factor",)

    def __init__(self) -> None:
        self.factor = 1.0  # all work takes so many times as long


class Body:
    """One process: it does one piece of work at a time, and time in which it is stopped is none in
    which it works."""

    __slots__ = (
        "_env",
        "_host",
        "_then",
        "_began_ns",
        "_ends_ns",
        "_lost_ns",
        "_left_ns",
        "stopped_ns",
        "is_dead",
        "per_op_ns",
        "slowed_ops",
    )

    def __init__(self, env: simpy.Environment, host: Host) -> None:
        self._env = env
        self._host = host
        self._then: Optional[Then] = None  # what comes after the work it is at
        self._began_ns = 0
        self._ends_ns = 0
        self._lost_ns = 0  # by stops that ended while its timer ran
        self._left_ns: Optional[int] = None  # of work that a stop keeps it from
        self.stopped_ns: Optional[int] = None  # since when
        self.is_dead = False
        self.per_op_ns = 0
        self.slowed_ops = 0

    def work(self, work_ns: int, then: Then) -> None:
        """Call `then` when so much work is done; never, if it dies before."""
        assert self._then is None, "a process does one thing at a time"
        if self.is_dead:
            return
        if self._host.factor != 1.0:
            work_ns = int(work_ns * self._host.factor)
        if self.per_op_ns:
            work_ns += self.per_op_ns
            self.slowed_ops += 1
        self._then = then
        if self.stopped_ns is not None:
            self._left_ns = work_ns
        else:
            self._set_timer(work_ns)

    def _set_timer(self, work_ns: int) -> None:
        now_ns = self._env.now
        self._began_ns = now_ns
        self._ends_ns = now_ns + work_ns
        self._env.timeout(work_ns).callbacks.append(self._due)

    def _due(self, _: simpy.Event) -> None:
        if self.is_dead:
            return
        if self.stopped_ns is not None:
            self._left_ns = self._lost_ns + self._ends_ns - max(self.stopped_ns, self._began_ns)
            self._lost_ns = 0
        elif self._lost_ns:
            lost_ns, self._lost_ns = self._lost_ns, 0
            self._set_timer(lost_ns)
        else:
            then, self._then = self._then, None
            assert then is not None
            then()

    def stop(self) -> None:
        if self.stopped_ns is None and not self.is_dead:
            self.stopped_ns = self._env.now

    def go_on(self) -> None:
        if self.stopped_ns is None:
            return
        since_ns, self.stopped_ns = self.stopped_ns, None
        if self._left_ns is not None:
            left_ns, self._left_ns = self._left_ns, None
            self._set_timer(left_ns)
        elif self._then is not None:  # its timer still runs
            self._lost_ns += self._env.now - max(since_ns, self._began_ns)

    def die(self) -> None:
        self.is_dead = True
        self._then = None

    @property
    def is_well(self) -> bool:
        return self.stopped_ns is None and not self.is_dead

    @property
    def state(self) -> str:
        if self.is_dead:
            return "signalled:SIGKILL"
        return "running" if self.stopped_ns is None else "stopped"
