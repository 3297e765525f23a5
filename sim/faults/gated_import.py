"""An import is held between two statements of its module, until others are where they matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class GatedImport:
    alias: ClassVar[str] = "gated_import"
    doc: ClassVar[str] = "an import is held in the middle of its module until something is so"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    module: str = field(metadata={"doc": "its full name"})
    until: str = field(
        default="main_waits", metadata={"doc": "main_waits: the main thread waits for this import"}
    )
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": "gated", "module": self.module}
        spec.update(until=self.until, at=self.at_statement)
        if self.imports_max is not None:
            spec["times"] = self.imports_max
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "gated", self.module)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
