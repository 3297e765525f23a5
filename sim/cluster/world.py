"""The world of a cluster: one run of a plan with many hosts, in virtual time."""

from __future__ import annotations

from collections import deque
from typing import (
    Any,
    ClassVar,
    Deque,
    Generator,
    List,
    Mapping,
    NoReturn,
    Optional,
    Sequence,
)

import simpy

from sim.abc import Capability, Launch, Machine, Network
from sim.cluster import costs
from sim.cluster.crew import Crew
from sim.cluster.depths import Depths
from sim.cluster.detection import HEARTBEATS, detector
from sim.cluster.draws import draws
from sim.cluster.network import SimulatedNetwork
from sim.cluster.told import WATCH, deliveries, job, standstill
from sim.cluster.writer import Writer
from sim.errors import WorldError
from sim.history.history import History, in_order
from sim.history.op import BLAME, EXIT, HANG, INFO, TRUST, Op
from sim.scenario import cluster_names
from sim.scenario.cluster_names import WRITER
from sim.scenario.clusters import CAPABILITIES
from sim.scenario.plan import AfterOps, Place, Plan
from sim.scenario.planning import Dice

SLICE_NS = 100_000_000  # how often it is looked whether anything still moves


class ClusterWorld:
    """Satisfies sim.abc.World, and sim.nemesis.Stage. Its clock starts at 0, and the seed decides
    all that happens."""

    capabilities: ClassVar[frozenset[Capability]] = CAPABILITIES

    def __init__(self, plan: Plan) -> None:
        assert plan.cluster is not None
        self._plan = plan
        self.cluster = plan.cluster
        self._env = simpy.Environment()
        self._ops: List[Op] = []
        self._reached: Deque[Place] = deque()
        self._held: Optional[simpy.Event] = None
        self._stop: Optional[simpy.Event] = None
        self._ended_by: Optional[str] = None
        self._moved_ns = 0
        self._seen = -1
        self._left = self.cluster.readers + 1  # that are not over
        self._places = {
            injection.trigger.count: injection.trigger
            for injection in plan.injections
            if isinstance(injection.trigger, AfterOps)
        }
        self.detector = detector(self._env, self.cluster, self)
        self.crew = Crew(
            self._env,
            self.cluster,
            dice=self._dice,
            answered=self._answered,
            heard=self.detector.heard,
            made_room=self._made_room,
            is_over=self._one_less,
        )
        self.writer = Writer(
            self._env,
            self.cluster,
            body=self.crew.add_writer(),
            ring=self.crew.rings[0],
            remotes=self.crew.remotes,
            due=self.crew.due,
            wake=draws(costs.WAKE, self._dice("writer wake")),
            watch=self.detector,
            record=self.record,
            stops_at=self._stops_at,
        )
        self._readers = {reader.name: reader for reader in self.crew.readers}
        self._network = SimulatedNetwork(self.crew)
        self.depths = Depths(self._env, self.crew.rings)

    def _dice(self, purpose: str) -> Dice:
        return Dice(self._plan.seed, self._plan.name, purpose)

    def _answered(self, index: int, number: int) -> None:
        self.writer.answered(index, number)

    def _made_room(self) -> None:
        self.writer.made_room()

    # What the nemesis drives.

    def start(self) -> int:
        self._env.process(self.writer.life()).callbacks.append(lambda _: self._one_less())
        if self.cluster.policy.kind in HEARTBEATS:
            for index in range(self.cluster.hosts):
                self._env.process(self._beats(index))
        return self.now_ns()

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """As VirtualWorld.advance."""
        while not self._reached:
            now_ns = self.now_ns()
            if self._ended_by is not None or (until_ns is not None and now_ns >= until_ns):
                return None
            if is_healing_due:
                self._moved_ns = now_ns
            elif self.is_quiet:
                return None
            if now_ns >= self._plan.deadline_ns:
                self._cut_short("deadline")
            elif self._is_stalled(now_ns):
                self._cut_short("hang")
            else:
                limit_ns = min(self._plan.deadline_ns, now_ns + SLICE_NS)
                self._go(limit_ns if until_ns is None else min(limit_ns, until_ns))
        return self._reached.popleft()

    def _go(self, limit_ns: int) -> None:
        """On to that time, or to where the writer is held, or to the end."""
        self._stop = self._env.event()
        self._env.timeout(limit_ns - self.now_ns()).callbacks.append(self._halt)
        self._env.run(until=self._stop)
        self._stop = None

    def _halt(self, _: Optional[simpy.Event] = None) -> None:
        if self._stop is not None and not self._stop.triggered:
            self._stop.succeed()

    def _is_stalled(self, now_ns: int) -> bool:
        progress = self.writer.steps + sum(ring.least for ring in self.crew.rings)
        if progress != self._seen:
            self._seen, self._moved_ns = progress, now_ns
            return False
        return now_ns - self._moved_ns >= self._plan.stall_threshold_ns

    def _stops_at(self, number: int) -> Optional[simpy.Event]:
        place = self._places.get(number)
        if place is None:
            return None
        self._reached.append(place)
        self._held = self._env.event()
        self._halt()
        return self._held

    def release(self, process: str) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            held.succeed()

    def record(self, op: Op) -> None:
        self._ops.append(op)

    @property
    def is_cut_short(self) -> bool:
        return self._ended_by is not None

    @property
    def is_quiet(self) -> bool:
        """The writer is through, and every reader that is left has read all."""
        return self._left == 0

    def _one_less(self) -> None:
        """Of those that the run waits for, one is over."""
        self._left -= 1
        if not self._left:
            self._halt()

    # The policy's job.

    @property
    def is_over(self) -> bool:
        return self.writer.is_over

    def missing(self) -> Sequence[int]:
        return self.writer.missing()

    def blame(self, target: str, why: str, since_ns: int) -> None:
        kind = self.cluster.policy.kind
        detail = {"target": target, "policy": kind, "why": why, "since_ns": since_ns}
        self.record(Op(self.now_ns(), WRITER, 0, INFO, BLAME, detail=detail))
        if self.cluster.policy.then == "evict":
            there = [
                reader
                for reader in self.crew.readers
                if cluster_names.covers(target, reader.name) and reader.ended_ns is None
            ]
            for reader in there:
                reader.evict()
            self.writer.forget([reader.index for reader in there])

    def trust(self, target: str) -> None:
        detail = {"target": target, "policy": self.cluster.policy.kind}
        self.record(Op(self.now_ns(), WRITER, 0, INFO, TRUST, detail=detail))

    def _beats(self, index: int) -> Generator[simpy.Event, Any, None]:
        every_ns = self.cluster.policy.every_ns
        dice = self._dice(f"host[{index}] beats")
        yield self._env.timeout(dice.below(every_ns))
        while not self.writer.is_over:
            self.crew.send_beats(index)
            yield self._env.timeout(every_ns)

    # What faults do.

    def now_ns(self) -> int:
        now_ns: int = self._env.now
        return now_ns

    def pause(self, process: str) -> None:
        for name in self._names(process):
            self.crew.bodies[name].stop()

    def resume(self, process: str) -> None:
        for name in self._names(process):
            self.crew.bodies[name].go_on()

    def kill(self, process: str) -> None:
        for name in self._names(process):
            reader = self._readers.get(name)
            if reader is not None and not reader.is_over:
                self._one_less()
            self.crew.bodies[name].die()
            self.record(Op(self.now_ns(), name, 0, INFO, EXIT, outcome="SIGKILL"))

    def slow(self, process: str, per_op_ns: int) -> None:
        for name in self._names(process):
            self.crew.bodies[name].per_op_ns = per_op_ns

    def state(self, process: str) -> str:
        """Of a host: that of its first process; faults act on all of them."""
        if self.is_quiet:
            return "exited:0"
        return self.crew.bodies[self._names(process)[0]].state

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        return self.state(process)

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        body = self.crew.bodies[self._names(process)[0]]
        return {"per_op_ns": body.per_op_ns, "slowed_ops": body.slowed_ops}

    def _names(self, process: str) -> Sequence[str]:
        if process in self.crew.bodies:
            return (process,)
        return [name for name in self.crew.bodies if cluster_names.covers(process, name)]

    @property
    def network(self) -> Network:
        return self._network

    @property
    def machine(self) -> Machine:
        _cannot("change what surrounds a process")

    @property
    def launch(self) -> Launch:
        _cannot("start a program")

    def restart(self, process: str) -> int:
        _cannot("restart a process")

    def at_step(self, process: str) -> Mapping[str, Any]:
        _cannot("act at a step of the protocol")

    def raise_in_read(self, process: str) -> None:
        _cannot("raise in a read")

    def unlink_region(self) -> str:
        _cannot("unlink a region")

    def truncate_region(self, size_bytes: int) -> int:
        _cannot("truncate a region")

    def region_size_bytes(self) -> Optional[int]:
        _cannot("look a region up by its name")

    def hold_back(self, process: str) -> None:
        _cannot("hold a process back")

    def attach(self, process: str) -> str:
        _cannot("hold a process back")

    # The end.

    def _cut_short(self, why: str) -> None:
        """Nothing moves, or the time is over."""
        self._ended_by = why
        detail = {"why": why, "blocked_ns": self.now_ns() - self._moved_ns, **standstill(self)}
        self.record(Op(self.now_ns(), WATCH, 0, INFO, HANG, detail=detail))

    def finish(self) -> History:
        ops = [*self._ops, *deliveries(self), job(self)]
        return History(header=self._plan.header, ops=in_order(ops))


def _cannot(what: str) -> NoReturn:
    raise WorldError("cluster", detail=f"it cannot {what}")
