"""A process that everybody counts on never comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class NeverAttach:
    alias: ClassVar[str] = "never_attach"
    doc: ClassVar[str] = "the process is never started, though the others count on it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.HOLD_BACK})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = True
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str

    def prepare(self, world: World) -> None:
        world.hold_back(self.target)

    def inject(self, world: World) -> Evidence:
        state = world.state(self.target)
        return Evidence(state == "absent", f"state: {state}", {"state": state})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return (Allowance("exit", self.target, value="never started", because=because),)
