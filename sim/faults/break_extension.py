"""The file of a compiled module is broken, in a private copy that a program finds first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Sequence, Union

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class BreakExtension:
    """docs/broken-extensions.md has every way, how it is made and what it does."""

    alias: ClassVar[str] = "break_extension"
    doc: ClassVar[str] = "breaks the file of a compiled module that a program loads"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    how: Union[str, Dict[str, Any]] = field(
        metadata={"doc": 'a kind, "empty", or one with its argument, { truncated_to = 4096 }'}
    )
    module: str = field(
        default="cy_kernels.spinloop", metadata={"doc": "whose file it is, by its full name"}
    )

    def prepare(self, world: World) -> None:
        world.launch.damage(self.target, self.module, self.how)

    def inject(self, world: World) -> Evidence:
        done = world.launch.damaged(self.target, self.module)
        return Evidence(bool(done["proven"]), str(done["what"]), done["data"])

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
