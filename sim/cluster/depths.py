"""How many messages wait in each host's ring, over time."""

from __future__ import annotations

from typing import Any, Generator, List, Mapping, Sequence

import simpy

from sim.cluster.ring import Ring

FIRST_EVERY_NS = 1_000_000
SAMPLES_MAX = 256  # then every other one is dropped, and they come half as often


class Depths:
    """Sampled evenly from the start to the end of a run of any length."""

    def __init__(self, env: simpy.Environment, rings: Sequence[Ring]) -> None:
        self._env = env
        self._rings = rings
        self.every_ns = FIRST_EVERY_NS
        self.samples: List[bytes] = []  # one byte a host, at most 255
        env.process(self._sample())

    def of_the_deepest(self, count: int) -> Mapping[str, Any]:
        """Of so many hosts, in their own order."""
        order = sorted(range(len(self._rings)), key=lambda i: (-self._rings[i].depth_max, i))
        hosts = sorted(order[:count])
        rows = [[sample[host] for sample in self.samples] for host in hosts]
        return {"every_ns": self.every_ns, "hosts": hosts, "rows": rows}

    def _sample(self) -> Generator[simpy.Event, Any, None]:
        while True:
            self.samples.append(bytes(min(255, ring.depth) for ring in self._rings))
            if len(self.samples) >= SAMPLES_MAX:
                self.samples = self.samples[::2]
                self.every_ns *= 2
            yield self._env.timeout(self.every_ns)
