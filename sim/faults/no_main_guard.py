"""The main part of a program loses its guard, `if __name__ == "__main__"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance

SPAWN = "multiprocessing.spawn"


@dataclass(frozen=True)
class NoMainGuard:
    """A process that was spawned runs the main module again, under a name that the guard tells from
    the real one. Here it is the same name: whoever starts a process there meets the interpreter's
    own RuntimeError."""

    alias: ClassVar[str] = "no_main_guard"
    doc: ClassVar[str] = "a spawned process runs a program's main part, as if it had no guard"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})
    is_proven_at_end: ClassVar[bool] = True

    target: str

    def prepare(self, world: World) -> None:
        world.launch.hook(self.target, {"kind": "main_guard"})

    def inject(self, world: World) -> Evidence:
        what = "has its main module run again by {}"
        return hooked(world, self.target, "main_guard", SPAWN, what=what)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
