"""A program is started with another environment variable, or without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

OURS = "SPINBED_"
FREE = ("SPINBED_KERNELS", "SPINBED_CPU")  # of ours, what is anybody's to set


@dataclass(frozen=True)
class EnvVar:
    alias: ClassVar[str] = "env_var"
    doc: ClassVar[str] = "a program is started with this environment variable, or without it"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    variable: str = field(metadata={"doc": "its name"})
    value: Optional[str] = field(default=None, metadata={"doc": "absent: the program has none"})

    def __post_init__(self) -> None:
        if not self.variable or "=" in self.variable or "\0" in self.variable:
            raise ValueError(f"`variable` is {self.variable!r}, which can be no variable's name")
        if self.variable.startswith(OURS) and self.variable not in FREE:
            raise ValueError(f"`variable`: {self.variable} is spinbed's own to set")
        if self.value is not None and "\0" in self.value:
            raise ValueError("`value` holds a NUL, which no variable can")

    def prepare(self, world: World) -> None:
        world.launch.set_variable(self.target, self.variable, self.value)

    def inject(self, world: World) -> Evidence:
        seen = world.launch.variable(self.target, self.variable)
        what = f"{self.variable} is not set" if seen is None else f"{self.variable}={seen}"
        return Evidence(seen == self.value, what, {"variable": self.variable, "value": seen})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
