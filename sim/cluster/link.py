"""One direction of a link in virtual time: latency, loss, bandwidth, order, a cut."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple

import simpy

from sim.cluster import costs
from sim.scenario.cluster_plan import LinkPlan

Arrive = Callable[[Any], None]

DATAGRAM = "datagram"


class Link:
    """What is sent arrives later, or never.

    Over `tcp` what is lost, or sent into a cut, is sent again after a time-out that doubles
    (RFC 6298), and nothing overtakes: so a link that is mended carries nothing before the next
    retransmission is due. A `datagram` is gone, or overtakes another one.
    """

    def __init__(
        self,
        env: simpy.Environment,
        plan: LinkPlan,
        *,
        latency: Callable[[], int],
        chance: Callable[[], float],
        arrive: Arrive,
    ) -> None:
        self._env = env
        self._latency = latency
        self._chance = chance
        self._arrive = arrive
        self._is_datagram = plan.kind == DATAGRAM
        self._loss = self._own_loss = plan.loss
        self._duplicates = plan.duplicates
        self._bandwidth = self._own_bandwidth = plan.bandwidth
        self._extra_ns = 0
        self._free_ns = 0  # when the wire is free again
        self._last_ns = 0  # when what was sent last arrives
        self._stuck: List[Tuple[Any, int]] = []  # sent into a cut, and when first
        self.is_cut = False
        self.is_worse = False
        self.under_way = 0  # messages that are on the wire
        self.lost = 0

    def send(self, message: Any, size_bytes: int, *, at_ns: Optional[int] = None) -> None:
        """At that time, or now."""
        now_ns = self._env.now
        at_ns = now_ns if at_ns is None else at_ns
        wire_ns = int(size_bytes * 1e9 / self._bandwidth)
        left_ns = max(at_ns, self._free_ns) + wire_ns
        self._free_ns = left_ns
        if self.is_cut:
            if self._is_datagram:
                self.lost += 1
            else:
                self._stuck.append((message, left_ns))
            return
        if self._loss:
            timeout_ns = costs.RTO_MIN_NS
            while self._chance() < self._loss:
                if self._is_datagram:
                    self.lost += 1
                    return
                left_ns += timeout_ns
                timeout_ns = min(2 * timeout_ns, costs.RTO_MAX_NS)
        self._deliver(message, left_ns)
        if self._duplicates and self._chance() < self._duplicates:
            self._deliver(message, left_ns)

    def send_last(self, message: Any) -> None:
        """What arrives in any case, after all else."""
        if self.is_cut:
            self._stuck.append((message, self._env.now))
        else:
            self._deliver(message, self._env.now, is_last=True)

    def _deliver(self, message: Any, left_ns: int, *, is_last: bool = False) -> None:
        self.under_way += 1
        there_ns = left_ns + self._latency() + self._extra_ns
        if is_last or not self._is_datagram:
            there_ns = max(there_ns, self._last_ns)
        self._last_ns = max(there_ns, self._last_ns)
        event = self._env.timeout(max(0, there_ns - self._env.now), message)
        event.callbacks.append(self._there)

    def _there(self, event: simpy.Event) -> None:
        self.under_way -= 1
        self._arrive(event.value)

    @property
    def queued(self) -> int:
        """Messages that have been sent and are not there."""
        return self.under_way + len(self._stuck)

    def cut(self) -> None:
        """What is on its way still arrives."""
        self.is_cut = True

    def mend(self) -> None:
        if not self.is_cut:
            return
        self.is_cut = False
        if self._stuck:
            stuck, self._stuck = self._stuck, []
            again_ns = next_try_ns(stuck[0][1], self._env.now)
            for message, left_ns in stuck:
                self._deliver(message, max(again_ns, left_ns), is_last=True)

    def worsen(self, extra_ns: int, loss: float, bandwidth: Optional[float]) -> None:
        self.is_worse = True
        self._extra_ns = extra_ns
        self._loss = 1 - (1 - self._own_loss) * (1 - loss)
        self._bandwidth = self._own_bandwidth if bandwidth is None else bandwidth

    def restore(self) -> None:
        self.is_worse = False
        self._extra_ns, self._loss = 0, self._own_loss
        self._bandwidth = self._own_bandwidth


def next_try_ns(sent_ns: int, now_ns: int) -> int:
    """When TCP sends again for the first time from now on what it sent first at that time."""
    timeout_ns, at_ns = costs.RTO_MIN_NS, sent_ns
    while at_ns < now_ns:
        at_ns += timeout_ns
        timeout_ns = min(2 * timeout_ns, costs.RTO_MAX_NS)
    return at_ns
