"""The link of a host is late, loses, or carries little."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class BadLink:
    alias: ClassVar[str] = "bad_link"
    doc: ClassVar[str] = "makes the host's link late, lossy or narrow; healing undoes all of it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.NETWORK})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"host"})

    target: str
    extra_ns: int = field(default=0, metadata={"doc": "added to the latency, each way"})
    loss: float = field(default=0.0, metadata={"doc": "probability that a transmission is lost"})
    bandwidth: Optional[float] = field(
        default=None, metadata={"doc": "in bytes per second; absent: as it was"}
    )

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1:
            raise ValueError(f"`loss` is {self.loss}: a probability, less than 1")
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise ValueError(f"`bandwidth` is {self.bandwidth}: more than 0")
        if not self.extra_ns and not self.loss and self.bandwidth is None:
            raise ValueError("changes nothing: give extra, loss or bandwidth")

    def inject(self, world: World) -> Evidence:
        world.network.worsen(self.target, self.extra_ns, self.loss, self.bandwidth)
        link = world.network.link(self.target)
        return Evidence(bool(link["is_worse"]), "the link is worse", link)

    def heal(self, world: World) -> Evidence:
        world.network.restore(self.target)
        link = world.network.link(self.target)
        return Evidence(not link["is_worse"], "the link is as it was", link)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
