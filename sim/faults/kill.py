"""A process dies on the spot, with no chance to clean up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # freeing a large address space is slow on a loaded machine


@dataclass(frozen=True)
class Kill:
    alias: ClassVar[str] = "kill"
    doc: ClassVar[str] = "kills the process (SIGKILL); it stays dead"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.KILL})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = True
    roles: ClassVar[frozenset[str]] = frozenset(
        {"writer", "reader", "program", "forwarder", "host"}
    )

    target: str

    def inject(self, world: World) -> Evidence:
        world.kill(self.target)
        state = world.await_state(self.target, "signalled:SIGKILL", within_ns=WITHIN_NS)
        return Evidence(state == "signalled:SIGKILL", f"wait status: {state}", {"state": state})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return (Allowance("exit", self.target, value="SIGKILL", because=because),)
