"""The import of a module takes longer than it should."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class SlowImport:
    alias: ClassVar[str] = "slow_import"
    doc: ClassVar[str] = "the import of a module takes so much longer in a program"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    module: str = field(metadata={"doc": "its full name"})
    duration_ns: int = field(metadata={"doc": "longer by so much"})
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": "slow", "module": self.module}
        spec.update(seconds=self.duration_ns / 1e9, at=self.at_statement)
        if self.imports_max is not None:
            spec["times"] = self.imports_max
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "slow", self.module)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
