"""A process dies by its own hand before a step of the protocol, and may get a successor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # as for kill


@dataclass(frozen=True)
class CrashAtStep:
    alias: ClassVar[str] = "crash_at_step"
    doc: ClassVar[str] = "the process kills itself (SIGKILL) before a step; it may get a successor"
    requires: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.STEP, Capability.KILL, Capability.RESTART}
    )
    fatal: ClassVar[bool] = True
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})
    step_action: ClassVar[str] = "kill"

    target: str
    restart_after_ns: Optional[int] = field(
        default=None,
        metadata={"doc": "from the death to the next incarnation; absent: it stays dead"},
    )

    @property
    def heals(self) -> bool:
        return self.restart_after_ns is not None

    def inject(self, world: World) -> Evidence:
        gate = world.at_step(self.target)
        state = world.await_state(self.target, "signalled:SIGKILL", within_ns=WITHIN_NS)
        proven = gate["is_there"] and gate["arrivals"] == 1 and state == "signalled:SIGKILL"
        what = f"last gate record: {gate['last_step']}, wait status: {state}"
        return Evidence(proven, what, {"state": state, **gate})

    def heal(self, world: World) -> Evidence:
        state = world.state(self.target)
        if state in ("running", "stopped"):
            return Evidence(True, f"not dead: {state}", {"state": state})
        if state.startswith("exited:0"):
            return Evidence(True, "ended by itself", {"state": state})
        incarnation = world.restart(self.target)
        return Evidence(True, f"incarnation {incarnation} is ready", {"incarnation": incarnation})

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return (Allowance("exit", self.target, value="SIGKILL", because=because),)
