"""A process dies on the spot and its next incarnation takes its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # as for kill


@dataclass(frozen=True)
class Restart:
    alias: ClassVar[str] = "restart"
    doc: ClassVar[str] = "kills the process (SIGKILL), then starts its next incarnation"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.KILL, Capability.RESTART})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = True
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    restart_after_ns: int = field(
        default=0, metadata={"doc": "from the death to the start of the next incarnation"}
    )

    def inject(self, world: World) -> Evidence:
        world.kill(self.target)
        state = world.await_state(self.target, "signalled:SIGKILL", within_ns=WITHIN_NS)
        return Evidence(state == "signalled:SIGKILL", f"wait status: {state}", {"state": state})

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
