"""The writer on host[0]: it broadcasts a message, waits for the answers that are due, goes on."""

from __future__ import annotations

from typing import Any, Callable, Generator, List, Optional, Protocol, Sequence

import simpy

from sim.cluster import costs
from sim.cluster.body import Body
from sim.cluster.link import Link
from sim.cluster.reader import Forwarder, Reader
from sim.cluster.ring import END, Ring
from sim.history.op import FAIL, INVOKE, OK, SEND, STEP, TIMEOUT, Op
from sim.scenario.cluster_names import WRITER
from sim.scenario.cluster_plan import ClusterPlan

Life = Generator[simpy.Event, Any, None]


class Watch(Protocol):
    """Who is told how steps go on."""

    def step_began(self, number: int) -> None: ...

    def step_ended(self, number: int) -> None: ...


class Remote:
    """Another host, as the writer sees it."""

    def __init__(self, out: Link, forwarder: Forwarder, readers: Sequence[Reader]) -> None:
        self.out = out
        self.forwarder = forwarder
        self.readers = readers
        self.dropped = 0

    @property
    def queued(self) -> int:
        """Messages that are on their way to it."""
        return self.out.queued + len(self.forwarder.queue)

    @property
    def is_wanted(self) -> bool:
        return any(reader.evicted_ns is None for reader in self.readers)


class Writer:
    """`stops_at` is asked before each step; while it gives an event, the writer waits for that."""

    def __init__(
        self,
        env: simpy.Environment,
        plan: ClusterPlan,
        *,
        body: Body,
        ring: Ring,
        remotes: Sequence[Remote],
        due: Sequence[int],
        wake: Callable[[], int],
        watch: Watch,
        record: Callable[[Op], None],
        stops_at: Callable[[int], Optional[simpy.Event]],
    ) -> None:
        self.body = body
        self.steps = 0  # that are over
        self.blocked_ns = 0  # in waits for a free slot, or for room in a queue
        self.is_over = False
        self.is_in_send = False
        self._env = env
        self._plan = plan
        self._ring = ring
        self._remotes = remotes
        self._due = due  # whose answers each step waits for, by their indices
        self._wake = wake
        self._watch = watch
        self._record = record
        self._stops_at = stops_at
        self._missing = bytearray(plan.readers)
        self._left = 0
        self._number = -1
        self._free_ns = 0  # when it has counted the answers that are there
        self._answered: Optional[simpy.Event] = None
        self._room: Optional[simpy.Event] = None
        self._nic_ns = 0  # when the network card is free
        copy_ns = costs.copy_ns(plan.message_bytes)
        self._write_ns = costs.WRITE_NS + copy_ns
        wire_ns = int(plan.reply_bytes * 1e9 / plan.link.bandwidth)
        self._reply_ns = max(costs.REPLY_NS + costs.copy_ns(plan.reply_bytes), wire_ns)

    def life(self) -> Life:
        for number in range(self._plan.steps):
            held = self._stops_at(number)
            if held is not None:
                yield held
            yield from self._step(number)
            if self._plan.gap_ns:
                yield self._work(self._plan.gap_ns)
        yield from self._broadcast(END)
        self.is_over = True

    def _step(self, number: int) -> Life:
        began_ns = self._env.now
        self._record(Op(began_ns, WRITER, 0, INVOKE, STEP, number))
        self._number = number
        self._left = 0
        for index in self._due:
            self._missing[index] = 1
            self._left += 1
        self._watch.step_began(number)
        yield from self._broadcast(number)
        if self._left:
            self._answered = self._env.event()
            yield self._answered
            self._answered = None
        if self._due and self._free_ns > self._env.now:
            yield self._work(self._free_ns - self._env.now)
        self.steps += 1
        self._watch.step_ended(number)
        took_ns = self._env.now - began_ns
        done = Op(self._env.now, WRITER, 0, OK, STEP, number, detail={"took_ns": took_ns})
        self._record(done)

    def _broadcast(self, number: int) -> Life:
        """Into the ring of its own host, then to the others, as vLLM's MessageQueue does."""
        self.is_in_send = True
        self._record_send(INVOKE, number)
        while not self._ring.has_space:
            yield from self._await_space(number)
        yield self._work(self._write_ns)
        self._ring.put(number)
        if self._remotes:
            yield self._work(costs.SEND_NS)
            yield from self._fan_out(number)
        self._record_send(OK, number)
        self.is_in_send = False

    def _await_space(self, number: int) -> Life:
        began_ns = self._env.now
        space = self._env.event()
        self._ring.wait_for_space(space.succeed)
        deadline_ns = self._plan.ring_deadline_ns
        if deadline_ns is None:
            yield space
        else:
            yield space | self._env.timeout(deadline_ns)
        if space.triggered:
            yield self._work(self._wake())
        else:
            self._ring.give_up()
            self._record_send(FAIL, number)
            self._record_send(INVOKE, number)
        self.blocked_ns += self._env.now - began_ns

    def _fan_out(self, number: int) -> Life:
        """One copy for each host, one after the other through the network card."""
        plan, now_ns = self._plan, self._env.now
        wire_ns = max(costs.FAN_OUT_NS, int(plan.message_bytes * 1e9 / plan.link.bandwidth))
        at_ns = max(now_ns, self._nic_ns)
        for remote in self._remotes:
            if not remote.is_wanted:
                continue
            while remote.queued >= plan.link.queue and plan.link.full == "wait":
                began_ns = self._env.now
                self._room = self._env.event()
                yield self._room
                self.blocked_ns += self._env.now - began_ns
                at_ns = max(at_ns, self._env.now)
            at_ns += wire_ns
            if number == END:
                remote.out.send_last(END)
            elif remote.queued >= plan.link.queue:
                remote.dropped += 1
            else:
                remote.out.send(number, plan.message_bytes, at_ns=at_ns)
        self._nic_ns = at_ns

    def made_room(self) -> None:
        """Some host has taken a message."""
        if self._room is not None:
            room, self._room = self._room, None
            room.succeed()

    def answered(self, index: int, number: int) -> None:
        """An answer has arrived. Counting them takes the writer time, one after the other."""
        if number != self._number or not self._missing[index]:
            return
        self._free_ns = max(self._env.now, self._free_ns) + self._reply_ns
        self._settled(index)

    def forget(self, indices: Sequence[int]) -> None:
        """No answer of these is due any more."""
        gone = frozenset(indices)
        self._due = [index for index in self._due if index not in gone]
        for index in indices:
            if self._missing[index]:
                self._settled(index)

    def _settled(self, index: int) -> None:
        self._missing[index] = 0
        self._left -= 1
        if not self._left and self._answered is not None:
            self._answered.succeed()

    def missing(self) -> List[int]:
        """Whose answers the step waits for."""
        if not self._left:
            return []
        return [index for index in self._due if self._missing[index]]

    def _work(self, work_ns: int) -> simpy.Event:
        done = self._env.event()
        self.body.work(work_ns, done.succeed)
        return done

    def _record_send(self, type_: str, number: int) -> None:
        if number == END:
            return
        outcome = TIMEOUT if type_ == FAIL else None
        size_bytes = self._plan.message_bytes
        self._record(Op(self._env.now, WRITER, 0, type_, SEND, number, size_bytes, number, outcome))
