"""A program finds no module of a name, as if it were not installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class MissingModule:
    alias: ClassVar[str] = "missing_module"
    doc: ClassVar[str] = "a program finds no module of this name, as if it were not installed"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    module: str = field(metadata={"doc": "its full name"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": "missing", "module": self.module}
        if self.imports_max is not None:
            spec["times"] = self.imports_max
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "missing", self.module)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
