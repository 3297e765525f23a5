"""A start method of multiprocessing is set before the program sets its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance


@dataclass(frozen=True)
class StartMethodTwice:
    """The program's own bare set_start_method is then the interpreter's own RuntimeError."""

    alias: ClassVar[str] = "start_method_twice"
    doc: ClassVar[str] = "sets a start method of multiprocessing before the program does"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})
    is_proven_at_end: ClassVar[bool] = True

    target: str
    method: Literal["fork", "spawn", "forkserver"] = field(
        default="spawn", metadata={"doc": "what it is set to"}
    )
    where: Literal["first_import", "thread"] = field(
        default="first_import",
        metadata={"doc": "when multiprocessing is imported: there, or in another thread"},
    )

    def prepare(self, world: World) -> None:
        spec = {"kind": "start_method", "method": self.method, "where": self.where}
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "start_method", "multiprocessing")

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
