"""A host is cut off: nothing that is sent between it and the writer's host arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class Partition:
    alias: ClassVar[str] = "partition"
    doc: ClassVar[str] = "cuts the host off from the writer's; healing lets the network through"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.NETWORK})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"host"})

    target: str

    def inject(self, world: World) -> Evidence:
        world.network.cut(self.target)
        link = world.network.link(self.target)
        return Evidence(bool(link["is_cut"]), f"link: {'cut' if link['is_cut'] else 'up'}", link)

    def heal(self, world: World) -> Evidence:
        world.network.mend(self.target)
        link = world.network.link(self.target)
        return Evidence(not link["is_cut"], f"link: {'cut' if link['is_cut'] else 'up'}", link)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
