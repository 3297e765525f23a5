"""The main part of a program loses its guard, `if __name__ == "__main__"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.abc import Evidence, World
from sim.faults.hooked import HookedFault, hooked

SPAWN = "multiprocessing.spawn"


@dataclass(frozen=True)
class NoMainGuard(HookedFault):
    """A process that was spawned runs the main module again, under a name that the guard tells from
    the real one. Here it is the same name: whoever starts a process there meets the interpreter's
    own RuntimeError."""

    alias: ClassVar[str] = "no_main_guard"
    doc: ClassVar[str] = "a spawned process runs a program's main part, as if it had no guard"

    def prepare(self, world: World) -> None:
        world.launch.hook(self.target, {"kind": "main_guard"})

    def inject(self, world: World) -> Evidence:
        what = "has its main module run again by {}"
        return hooked(world, self.target, "main_guard", SPAWN, what=what)
