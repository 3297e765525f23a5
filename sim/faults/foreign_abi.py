"""A program loads a compiled module that was built by another interpreter than its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import check_module
from sim.history.history import Allowance


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
        metadata={"doc": 'the other interpreter, "3.9", or the path of a file that was built'}
    )
    module: str = field(
        default="cy_kernels.spinloop", metadata={"doc": "whose file it is, by its full name"}
    )

    def __post_init__(self) -> None:
        check_module(self.module)
        if "/" not in self.built_by and not re.fullmatch(r"3\.\d+(\.\d+)?", self.built_by):
            raise ValueError(
                f"`built_by` is {self.built_by!r}, neither a version (3.9) nor a path with a slash"
            )

    def prepare(self, world: World) -> None:
        world.launch.replace_extension(self.target, self.module, self.built_by)

    def inject(self, world: World) -> Evidence:
        done = world.launch.damaged(self.target, self.module)
        return Evidence(bool(done["proven"]), str(done["what"]), done["data"])

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
