"""An operation of the process raises before a step of the protocol, and the process goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # as for raise_in_read


@dataclass(frozen=True)
class RaiseAtStep:
    alias: ClassVar[str] = "raise_at_step"
    doc: ClassVar[str] = "an operation of the process raises before a step; the process goes on"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.STEP, Capability.RAISE})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})
    step_action: ClassVar[str] = "raise"
    # Whose opening raises has no end to go on with.
    never_on: ClassVar[frozenset[str]] = frozenset({"attach", "takeover"})

    target: str

    def inject(self, world: World) -> Evidence:
        gate = world.at_step(self.target)
        said = world.acknowledged(self.target, self.alias, within_ns=WITHIN_NS)
        if said is None:
            return Evidence(False, "the process reported no exception", gate)
        proven = gate["is_there"] and gate["arrivals"] == 1
        what = f"raised {said['exception']}: {said['message']}"
        return Evidence(proven, what, {**said, **gate})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return tuple(
            Allowance("outcome", self.target, op, "error", because) for op in ("send", "receive")
        )
