"""A process stops itself before a step of the protocol, and later goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 2_000_000_000  # as for stall


@dataclass(frozen=True)
class StopAtStep:
    alias: ClassVar[str] = "stop_at_step"
    doc: ClassVar[str] = "the process stops itself (SIGSTOP) before a step; healing lets it go on"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.STEP, Capability.PAUSE})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})
    step_action: ClassVar[str] = "stop"

    target: str

    def inject(self, world: World) -> Evidence:
        gate = world.at_step(self.target)
        state = world.await_state(self.target, "stopped", within_ns=WITHIN_NS)
        proven = gate["is_there"] and gate["arrivals"] == 1 and state == "stopped"
        what = f"last gate record: {gate['last_step']}, state: {state}"
        return Evidence(proven, what, {"state": state, **gate})

    def heal(self, world: World) -> Evidence:
        world.resume(self.target)
        state = world.await_state(self.target, "running", within_ns=WITHIN_NS)
        return Evidence(not state.startswith("stopped"), f"state: {state}", {"state": state})

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
