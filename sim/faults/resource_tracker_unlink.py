"""An unrelated process attaches to a program's shared memory and exits: the name is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class ResourceTrackerUnlink:
    """Up to Python 3.13 the resource tracker of multiprocessing unlinks it: nobody asked for it."""

    alias: ClassVar[str] = "resource_tracker_unlink"
    doc: ClassVar[str] = "an unrelated process attaches to shared memory of a program, and exits"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    region: Optional[str] = field(
        default=None, metadata={"doc": "its name; absent: all that the program has mapped"}
    )

    def __post_init__(self) -> None:
        if self.region is not None and (not self.region or "/" in self.region.lstrip("/")):
            raise ValueError(f"`region` is {self.region!r}, which can be no region's name")

    def inject(self, world: World) -> Evidence:
        names = world.launch.regions(self.target)
        if self.region is not None:
            names = [self.region.lstrip("/")]
        if not names:
            return Evidence(False, f"{self.target} has no region mapped")
        said = {name: world.launch.attach_beside(self.target, name) for name in names}
        kept = [name for name, each in said.items() if each["is_there"] or not each["was_there"]]
        if kept:
            why = "; ".join(str(said[name]["said"]) or "it is still there" for name in kept)
            return Evidence(False, f"{', '.join(kept)}: {why}", {"regions": said})
        what = f"{', '.join(names)}: unlinked behind the back of {self.target}"
        return Evidence(True, what, {"regions": said})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
