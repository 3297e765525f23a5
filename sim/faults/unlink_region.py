"""The region's name disappears; mappings made before stay valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class UnlinkRegion:
    alias: ClassVar[str] = "unlink_region"
    doc: ClassVar[str] = "unlinks the transport's region: newcomers find no such name"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.UNLINK})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str

    def inject(self, world: World) -> Evidence:
        name = world.unlink_region()
        size_bytes = world.region_size_bytes()
        if size_bytes is not None:
            return Evidence(False, f"{name} is still there", {"size_bytes": size_bytes})
        return Evidence(True, f"a newcomer finds no {name}", {"region": name})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
