"""The body of a module raises while a program imports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class FailingImport:
    alias: ClassVar[str] = "failing_import"
    doc: ClassVar[str] = "the body of a module raises while a program imports it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    module: str = field(metadata={"doc": "its full name"})
    exception: str = field(metadata={"doc": 'a built-in one, or "their_pkg.module:Error"'})
    message: str = field(default="planted by failing_import", metadata={"doc": "its text"})
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": "failing", "module": self.module}
        spec.update(exception=self.exception, message=self.message, at=self.at_statement)
        if self.imports_max is not None:
            spec["times"] = self.imports_max
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "failing", self.module)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
