"""A reader's own code raises while it holds the slot of a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # the next message must come first


@dataclass(frozen=True)
class RaiseInRead:
    alias: ClassVar[str] = "raise_in_read"
    doc: ClassVar[str] = "the reader raises once while it holds the slot of its next message"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.RAISE})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"reader"})

    target: str

    def inject(self, world: World) -> Evidence:
        world.raise_in_read(self.target)
        said = world.acknowledged(self.target, "raise_in_read", within_ns=WITHIN_NS)
        if said is None:
            return Evidence(False, "the process reported no exception")
        return Evidence(True, f"raised {said['exception']} in the slot it held", said)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return (Allowance("outcome", self.target, "receive", "raised", because),)
