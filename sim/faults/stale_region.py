"""A late process finds a region of an earlier life under the name of the one it wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class StaleRegion:
    """The others keep the region that they have. A word tells the two apart; whether the process is
    refused for it is the transport's to decide, and the scenario's to expect."""

    alias: ClassVar[str] = "stale_region"
    doc: ClassVar[str] = "the process is started only now, and finds a stale region of that name"
    requires: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.HOLD_BACK, Capability.WRITE_MEMORY}
    )
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    word: str = field(default="version", metadata={"doc": "what is different in it"})
    value: int = field(default=99, metadata={"doc": "what that word is"})

    def prepare(self, world: World) -> None:
        world.hold_back(self.target)

    def inject(self, world: World) -> Evidence:
        inodes = world.machine.replace_region(self.word, self.value)
        state = world.attach(self.target)
        is_another = inodes["before_inode"] != inodes["after_inode"]
        what = f"another region with {self.word} {self.value}; who came to it: {state}"
        return Evidence(is_another and state != "absent", what, {**inodes, "state": state})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
