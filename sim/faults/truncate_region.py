"""The region is cut under everybody's mapping: touching what is gone is a real SIGBUS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class TruncateRegion:
    """Who dies of it depends on who touches the region next, so no exit is accounted for."""

    alias: ClassVar[str] = "truncate_region"
    doc: ClassVar[str] = "cuts the transport's region under all mappings (SIGBUS on touch)"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.TRUNCATE})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    size_bytes: int = field(default=0, metadata={"doc": "what is left of the region, in bytes"})

    def inject(self, world: World) -> Evidence:
        before_bytes = world.truncate_region(self.size_bytes)
        after_bytes = world.region_size_bytes()
        data = {"before_bytes": before_bytes, "after_bytes": after_bytes}
        return Evidence(
            after_bytes == self.size_bytes, f"{before_bytes} bytes became {after_bytes}", data
        )

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
