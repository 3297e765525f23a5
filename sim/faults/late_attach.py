"""A process comes late: the others have begun without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class LateAttach:
    """Its time or trigger says when it comes. A trigger must be another process's."""

    alias: ClassVar[str] = "late_attach"
    doc: ClassVar[str] = "the process is started only now: the others began without it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.HOLD_BACK})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str

    def prepare(self, world: World) -> None:
        world.hold_back(self.target)

    def inject(self, world: World) -> Evidence:
        before = world.state(self.target)
        after = world.attach(self.target)
        # It may fail to attach, or be through already: that is the scenario's to expect.
        what = f"{before} until now, then {after}"
        return Evidence(after != "absent", what, {"before": before, "after": after})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
