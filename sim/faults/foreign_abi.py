"""A program loads a compiled module that was built by another interpreter than its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import check_module
from sim.history.history import Allowance

ABI3 = "abi3"


@dataclass(frozen=True)
class ForeignAbi:
    """docs/abi.md has what comes of it: from nothing to a death long after the import."""

    alias: ClassVar[str] = "foreign_abi"
    doc: ClassVar[str] = "a program loads a compiled module that another interpreter was built for"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    built_by: str = field(
        metadata={"doc": '"3.9", another interpreter; "abi3"; or the path of a file that was built'}
    )
    module: str = field(
        default="cy_kernels.spinloop", metadata={"doc": "whose file it is, by its full name"}
    )

    def __post_init__(self) -> None:
        check_module(self.module)
        form = rf"3\.\d+(\.\d+)?|{ABI3}|.*/.*"
        if not re.fullmatch(form, self.built_by, re.DOTALL):
            ways = f"neither a version (3.9) nor {ABI3} nor a path with a slash"
            raise ValueError(f"`built_by` is {self.built_by!r}, {ways}")

    def prepare(self, world: World) -> None:
        world.launch.replace_extension(self.target, self.module, self.built_by)

    def inject(self, world: World) -> Evidence:
        done = world.launch.damaged(self.target, self.module)
        return Evidence(bool(done["proven"]), str(done["what"]), done["data"])

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
