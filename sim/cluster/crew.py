"""Builds the hosts of a cluster: rings, readers, forwarders, links, the writer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import simpy

from sim.cluster import costs
from sim.cluster.body import Body, Host
from sim.cluster.draws import draws
from sim.cluster.link import Link
from sim.cluster.reader import Forwarder, Reader
from sim.cluster.ring import Ring
from sim.cluster.writer import Remote
from sim.scenario.cluster_names import WRITER, forwarder, host, reader
from sim.scenario.cluster_plan import ClusterPlan, LinkPlan
from sim.scenario.planning import Dice

Answered = Callable[[int, int], None]  # index of a reader, number of the message


class Wires(NamedTuple):
    """Between the writer's host and another one."""

    out: Link
    back: Link
    beats: Link  # heartbeats, as datagrams


class Crew:
    """All that runs, by name. Dice are of one seed, each purpose's its own."""

    def __init__(
        self,
        env: simpy.Environment,
        plan: ClusterPlan,
        *,
        dice: Callable[[str], Dice],
        answered: Answered,
        heard: Callable[[int, Sequence[int]], None],
        made_room: Callable[[], None],
        is_over: Callable[[], None],
    ) -> None:
        self._env = env
        self._plan = plan
        self._dice = dice
        self._answered = answered
        self._heard = heard
        self._made_room = made_room
        self._is_over = is_over
        self.hosts = [Host() for _ in range(plan.hosts)]
        self.rings = [Ring(plan.slots) for _ in range(plan.hosts)]
        self.readers: List[Reader] = []
        self.remotes: List[Remote] = []
        self.wires: Dict[str, Wires] = {}
        self.bodies: Dict[str, Body] = {}
        self._arrivals: Dict[int, Callable[[Any], None]] = {}
        self.due: List[int] = self._whose_answers_are_due()
        for index in range(plan.hosts):
            self._add_host(index)

    def add_writer(self) -> Body:
        return self._body(WRITER, 0)

    def _whose_answers_are_due(self) -> List[int]:
        due = {"all": self._plan.readers, "one": 1, "none": 0}[self._plan.reply]
        return list(range(due))

    def _add_host(self, index: int) -> None:
        plan, name = self._plan, host(index)
        wake = draws(costs.WAKE, self._dice(f"{name} wake"))
        compute = draws(plan.compute, self._dice(f"{name} compute"))
        back: Optional[Link] = None
        if index:
            wires = self.wires[name] = self._wire(index)
            back = wires.back
        first = index * plan.readers_per_host
        for rank in range(plan.readers_per_host):
            body = self._body(reader(index, rank), index)
            self.readers.append(
                Reader(
                    reader(index, rank),
                    first + rank,
                    body=body,
                    ring=self.rings[index],
                    wake=wake,
                    compute=compute,
                    answer=self._answer(first + rank, back, wake),
                    message_bytes=plan.message_bytes,
                    now=self._now,
                    is_over=self._is_over,
                )
            )
        if index:
            there = Forwarder(
                forwarder(index),
                body=self._body(forwarder(index), index),
                ring=self.rings[index],
                wake=wake,
                message_bytes=plan.message_bytes,
                taken=self._made_room,
            )
            self._arrivals[index] = there.arrived
            self.remotes.append(Remote(wires.out, there, self.readers[first:]))

    def _now(self) -> int:
        now_ns: int = self._env.now
        return now_ns

    def _body(self, name: str, index: int) -> Body:
        body = self.bodies[name] = Body(self._env, self.hosts[index])
        return body

    def _wire(self, index: int) -> Wires:
        plan, name = self._plan.link, host(index)
        beats = replace(plan, kind="datagram", duplicates=0.0)

        def link(purpose: str, of: LinkPlan, arrive: Callable[[Any], None]) -> Link:
            return Link(
                self._env,
                of,
                latency=draws(of.latency, self._dice(f"{name} {purpose} latency")),
                chance=self._dice(f"{name} {purpose} loss").unit,
                arrive=arrive,
            )

        return Wires(
            link("out", plan, lambda number: self._arrivals[index](number)),
            link("back", plan, lambda answer: self._answered(*answer)),
            link("beats", beats, lambda ranks: self._heard(index, ranks)),
        )

    def _answer(
        self, index: int, back: Optional[Link], wake: Callable[[], int]
    ) -> Optional[Callable[[int], None]]:
        if index >= len(self.due):
            return None
        size_bytes = self._plan.reply_bytes
        if back is not None:
            link = back
            return lambda number: link.send((index, number), size_bytes)
        own_ns = costs.WRITE_NS + costs.copy_ns(size_bytes)

        def there(event: simpy.Event) -> None:
            self._answered(*event.value)

        def send(number: int) -> None:
            event = self._env.timeout(own_ns + wake(), (index, number))
            event.callbacks.append(there)

        return send

    def beating(self, index: int) -> Tuple[int, ...]:
        """Ranks of a host whose heartbeats go out now."""
        first = index * self._plan.readers_per_host
        last = first + self._plan.readers_per_host
        return tuple(
            rank
            for rank, each in enumerate(self.readers[first:last])
            if each.body.is_well and each.ended_ns is None
        )

    def send_beats(self, index: int) -> None:
        ranks = self.beating(index)
        if not ranks:
            return
        if index:
            self.wires[host(index)].beats.send(ranks, 64 * len(ranks))
        else:
            self._heard(0, ranks)
