"""The network interface of a host is down: the host knows, and the writer's may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class LinkDown:
    alias: ClassVar[str] = "link_down"
    doc: ClassVar[str] = "takes the host's network interface down; healing brings it up again"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.NETWORK})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"host"})

    target: str

    def inject(self, world: World) -> Evidence:
        world.network.set_interface(self.target, is_up=False)
        link = world.network.link(self.target)
        return Evidence(not link["is_up"], f"link: {'up' if link['is_up'] else 'down'}", link)

    def heal(self, world: World) -> Evidence:
        world.network.set_interface(self.target, is_up=True)
        link = world.network.link(self.target)
        return Evidence(bool(link["is_up"]), f"link: {'up' if link['is_up'] else 'down'}", link)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
