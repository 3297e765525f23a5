"""A reader of a host's ring, and what brings messages into the rings of other hosts."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, List, Optional

from sim.cluster import costs
from sim.cluster.body import Body
from sim.cluster.ring import END, Ring


class Reader:
    """Takes each message, works on it, answers where an answer is due.

    One of thousands, so it is a chain of callbacks and no generator: a third of the time.
    """

    __slots__ = (
        "name",
        "index",
        "body",
        "position",
        "runs",
        "last_ns",
        "ended_ns",
        "evicted_ns",
        "_ring",
        "_wake",
        "_compute",
        "_answer",
        "_read_ns",
        "_now",
        "_number",
        "_is_over",
    )

    def __init__(
        self,
        name: str,
        index: int,
        *,
        body: Body,
        ring: Ring,
        wake: Callable[[], int],
        compute: Callable[[], int],
        answer: Optional[Callable[[int], None]],
        message_bytes: int,
        now: Callable[[], int],
        is_over: Callable[[], None],
    ) -> None:
        """`answer` is called with the message's number; None: nothing is due from this one."""
        self.name = name
        self.index = index
        self.body = body
        self.position = 0
        self.runs: List[List[int]] = []  # first number and count of messages in a row
        self.last_ns = 0
        self.ended_ns: Optional[int] = None
        self.evicted_ns: Optional[int] = None
        self._ring = ring
        self._wake = wake
        self._compute = compute
        self._answer = answer
        self._read_ns = costs.READ_NS + costs.copy_ns(message_bytes)
        self._now = now
        self._is_over = is_over
        self._number = 0
        ring.readers.append(self)
        ring.park(self)

    def wake(self) -> None:
        """By the ring, when there is a message."""
        self.body.work(self._wake() + self._read_ns, self._took)

    def _next(self) -> None:
        if self._ring.written > self.position:
            self.body.work(self._read_ns, self._took)
        else:
            self._ring.park(self)

    def _took(self) -> None:
        position = self.position
        number = self._ring.number_at(position)
        self.position = position + 1
        self.last_ns = self._now()
        if number == END:
            self.ended_ns = self.last_ns
            self._ring.released(position)
            self._is_over()
            return
        runs = self.runs
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
        self._number = number
        self.body.work(self._compute(), self._computed)
        self._ring.released(position)

    def _computed(self) -> None:
        if self._answer is not None:
            self._answer(self._number)
        self._next()

    def evict(self) -> None:
        """It is not waited for any more, neither by its ring nor by the writer."""
        if self.evicted_ns is not None:
            return
        self.evicted_ns = self._now()
        self._ring.drop(self)
        if not self.body.is_dead:
            self.body.die()
            self._is_over()

    @property
    def is_over(self) -> bool:
        return self.ended_ns is not None or self.body.is_dead


class Forwarder:
    """Takes messages from a link and writes them into the ring of its host."""

    def __init__(
        self,
        name: str,
        *,
        body: Body,
        ring: Ring,
        wake: Callable[[], int],
        message_bytes: int,
        taken: Callable[[], None],
    ) -> None:
        """`taken` is called whenever there is room for one message more."""
        self.name = name
        self.body = body
        self.queue: Deque[int] = deque()
        self._ring = ring
        self._wake = wake
        copy_ns = costs.copy_ns(message_bytes)
        self._take_ns = costs.FORWARD_NS + copy_ns
        self._write_ns = costs.WRITE_NS + copy_ns
        self._taken = taken
        self._is_busy = False

    def arrived(self, number: int) -> None:
        self.queue.append(number)
        if not self._is_busy:
            self._is_busy = True
            self.body.work(self._wake() + self._take_ns, self._write)

    def _write(self) -> None:
        if self._ring.has_space:
            self.body.work(self._write_ns, self._wrote)
        else:
            self._ring.wait_for_space(self._woken)

    def _woken(self) -> None:
        self.body.work(self._wake(), self._write)

    def _wrote(self) -> None:
        self._ring.put(self.queue.popleft())
        self._taken()
        if self.queue:
            self.body.work(self._take_ns, self._write)
        else:
            self._is_busy = False
