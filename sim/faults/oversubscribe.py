"""Other processes spin on the cores of a process, which must share them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

SPINNERS_MAX = 64


@dataclass(frozen=True)
class Oversubscribe:
    alias: ClassVar[str] = "oversubscribe"
    doc: ClassVar[str] = "starts processes that spin on the cores of the process"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.CROWD})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    spinners: int = field(default=4, metadata={"doc": "how many processes spin, 1 to 64"})

    def __post_init__(self) -> None:
        if not 1 <= self.spinners <= SPINNERS_MAX:
            raise ValueError(f"`spinners` must be 1 to {SPINNERS_MAX}")

    def inject(self, world: World) -> Evidence:
        seen = world.machine.crowd(self.target, self.spinners)
        what = f"{len(seen['pids'])} processes spin on cores {seen['cores']}"
        return Evidence(len(seen["pids"]) == self.spinners, what, seen)

    def heal(self, world: World) -> Evidence:
        seen = world.machine.disperse(self.target)
        what = f"{len(seen['left'])} of them are left; they ran {sum(seen['spun_ns'])} ns"
        return Evidence(not seen["left"], what, seen)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
