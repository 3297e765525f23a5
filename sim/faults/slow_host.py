"""A host is slow: all that is done on it takes so many times as long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class SlowHost:
    alias: ClassVar[str] = "slow_host"
    doc: ClassVar[str] = "all work on the host takes so many times as long"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.SLOW_HOST})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"host"})

    target: str
    factor: float = field(default=2.0, metadata={"doc": "so many times as long"})

    def __post_init__(self) -> None:
        if not 1 < self.factor <= 1e6:
            raise ValueError(f"`factor` is {self.factor}: more than 1, at most a million")

    def inject(self, world: World) -> Evidence:
        factor = world.network.slow_host(self.target, self.factor)
        return Evidence(factor == self.factor, f"{factor:g} times as long", {"factor": factor})

    def heal(self, world: World) -> Evidence:
        factor = world.network.slow_host(self.target, 1.0)
        return Evidence(factor == 1.0, f"{factor:g} times as long", {"factor": factor})

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
