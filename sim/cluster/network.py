"""What faults do to the hosts and links of a simulated cluster. Satisfies sim.abc.Network."""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional

from sim.cluster.crew import Crew


class SimulatedNetwork:
    """A link is both directions, and the heartbeats."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def cut(self, host: str) -> None:
        for link in self._crew.wires[host]:
            link.cut()

    def mend(self, host: str) -> None:
        for link in self._crew.wires[host]:
            link.mend()

    def set_interface(self, host: str, *, is_up: bool) -> None:
        (self.mend if is_up else self.cut)(host)

    def worsen(self, host: str, extra_ns: int, loss: float, bandwidth: Optional[float]) -> None:
        for link in self._crew.wires[host]:
            link.worsen(extra_ns, loss, bandwidth)

    def restore(self, host: str) -> None:
        for link in self._crew.wires[host]:
            link.restore()

    def link(self, host: str) -> Mapping[str, Any]:
        out = self._crew.wires[host].out
        return {
            "is_up": not out.is_cut,
            "is_cut": out.is_cut,
            "is_worse": out.is_worse,
            "queued": out.queued,
            "lost": out.lost,
        }

    def slow_host(self, host: str, factor: float) -> float:
        index = int(re.sub(r"\D", "", host))
        self._crew.hosts[index].factor = factor
        return self._crew.hosts[index].factor
