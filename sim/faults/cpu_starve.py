"""A process gets only a part of each period of CPU time, as in a container with a small quota."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

LEAST_NS, MOST_NS = 1_000_000, 1_000_000_000  # what the kernel takes for a period and a quota


@dataclass(frozen=True)
class CpuStarve:
    """A process that only waits needs no CPU time: how often it was throttled, the heal says."""

    alias: ClassVar[str] = "cpu_starve"
    doc: ClassVar[str] = "limits the process's CPU time (quota of a control group)"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.CPU_QUOTA})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    run_ns: int = field(default=5_000_000, metadata={"doc": "it may run so long, 1ms at least"})
    of_ns: int = field(default=100_000_000, metadata={"doc": "in each period, 1ms to 1s"})

    def __post_init__(self) -> None:
        if not LEAST_NS <= self.of_ns <= MOST_NS:
            raise ValueError("`of` must be 1ms to 1s: the kernel takes no other period")
        if not LEAST_NS <= self.run_ns <= self.of_ns:
            raise ValueError("`run` must be 1ms at least, and `of` at most")

    def inject(self, world: World) -> Evidence:
        limit = world.machine.starve(self.target, self.run_ns, self.of_ns)
        is_limited = (limit["run_ns"], limit["of_ns"]) == (self.run_ns, self.of_ns)
        what = f"its control group may run {limit['run_ns']} ns of {limit['of_ns']}"
        return Evidence(is_limited and limit["is_inside"], what, limit)

    def heal(self, world: World) -> Evidence:
        seen = world.machine.feed(self.target)
        what = f"no limit any more; it was throttled {seen['throttled']} times"
        return Evidence(not seen["is_limited"], what, seen)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
