"""A start method of multiprocessing is set before the program sets its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from sim.abc import Evidence, World
from sim.faults.hooked import HookedFault, hooked


@dataclass(frozen=True)
class StartMethodTwice(HookedFault):
    """The program's own bare set_start_method is then the interpreter's own RuntimeError."""

    alias: ClassVar[str] = "start_method_twice"
    doc: ClassVar[str] = "sets a start method of multiprocessing before the program does"

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
