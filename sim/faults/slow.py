"""Every operation of a process takes longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

# A process looks for commands between two operations: it may have to end a long wait first.
WITHIN_NS = 3_000_000_000


@dataclass(frozen=True)
class Slow:
    alias: ClassVar[str] = "slow"
    doc: ClassVar[str] = "makes every operation of the process take longer"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.SLOW})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    per_op_ns: int = field(default=1_000_000, metadata={"doc": "added to each operation"})

    def inject(self, world: World) -> Evidence:
        world.slow(self.target, self.per_op_ns)
        said = world.acknowledged(self.target, "slow", within_ns=WITHIN_NS)
        if said is None or said["per_op_ns"] != self.per_op_ns:
            return Evidence(False, "the process did not acknowledge it", said or {})
        return Evidence(True, f"acknowledged: {self.per_op_ns} ns more per operation", said)

    def heal(self, world: World) -> Evidence:
        world.slow(self.target, 0)
        said = world.acknowledged(self.target, "slow", within_ns=WITHIN_NS)
        state = world.state(self.target)
        if state not in ("running", "stopped"):
            return Evidence(True, f"gone with its process: {state}", said or {})
        if said is None or said["per_op_ns"] != 0:
            return Evidence(False, "the process did not acknowledge it", said or {})
        return Evidence(True, f"acknowledged: {said['slowed_ops']} operations were slowed", said)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
