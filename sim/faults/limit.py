"""A program is started under a resource limit that is too small for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

LIMIT_MAX = (1 << 63) - 1  # what setrlimit(2) of Python takes; above it, there is only infinity
RESOURCES = ("AS", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK")


@dataclass(frozen=True)
class Limit:
    """setrlimit(2), soft and hard, of what the program and all that it starts may use."""

    alias: ClassVar[str] = "limit"
    doc: ClassVar[str] = "a program is started under a resource limit, RLIMIT_<resource>"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    resource: str = field(metadata={"doc": f"one of {', '.join(RESOURCES)}"})
    limit: int = field(metadata={"doc": "in the resource's own unit, setrlimit(2)"})

    def __post_init__(self) -> None:
        if self.resource not in RESOURCES:
            raise ValueError(f"`resource` is {self.resource!r}: one of {', '.join(RESOURCES)}")
        if self.limit > LIMIT_MAX:
            raise ValueError(f"`limit` is {self.limit}: {LIMIT_MAX} is the most")

    def prepare(self, world: World) -> None:
        world.launch.limit(self.target, self.resource, self.limit)

    def inject(self, world: World) -> Evidence:
        seen = world.launch.limit_of(self.target, self.resource)
        what = f"RLIMIT_{self.resource} is {seen}"
        return Evidence(seen == self.limit, what, {"resource": self.resource, "limit": seen})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
