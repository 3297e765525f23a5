"""A process is frozen from outside, by its control group: no signal tells it, no parent hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class Freeze:
    """Unlike one that is stopped, a frozen process cannot even be killed; see cgroups(7)."""

    alias: ClassVar[str] = "freeze"
    doc: ClassVar[str] = "freezes the process (control group); healing thaws it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.FREEZE})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str

    def inject(self, world: World) -> Evidence:
        state = world.machine.freeze(self.target)
        return Evidence(state == "FROZEN", f"freezer: {state}", {"freezer": state})

    def heal(self, world: World) -> Evidence:
        state = world.machine.thaw(self.target)
        data = {"freezer": state, "state": world.state(self.target)}
        return Evidence(state == "THAWED", f"freezer: {state}", data)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
