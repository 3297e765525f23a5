"""A process is stopped where it is, and later goes on as if nothing had happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

# The kernel stops a process when it next returns to user space: microseconds, unless the machine
# is loaded or the process sits in the kernel.
WITHIN_NS = 2_000_000_000


@dataclass(frozen=True)
class Stall:
    alias: ClassVar[str] = "stall"
    doc: ClassVar[str] = "stops the process (SIGSTOP); healing lets it go on (SIGCONT)"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.PAUSE})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset(
        {"writer", "reader", "program", "forwarder", "host"}
    )

    target: str

    def inject(self, world: World) -> Evidence:
        world.pause(self.target)
        state = world.await_state(self.target, "stopped", within_ns=WITHIN_NS)
        return Evidence(state.startswith("stopped"), f"state: {state}", {"state": state})

    def heal(self, world: World) -> Evidence:
        world.resume(self.target)
        state = world.await_state(self.target, "running", within_ns=WITHIN_NS)
        return Evidence(not state.startswith("stopped"), f"state: {state}", {"state": state})

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
