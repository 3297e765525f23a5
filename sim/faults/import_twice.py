"""A module is executed twice: two objects share a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class ImportTwice:
    alias: ClassVar[str] = "import_twice"
    doc: ClassVar[str] = "a module is executed twice in a program: two objects share a name"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    module: str = field(metadata={"doc": "its full name"})

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": "twice", "module": self.module}
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "twice", self.module)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
