"""Another thread of a program holds a lock whenever the program forks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Mapping, Optional

from sim.abc import Evidence, World
from sim.faults.hooked import NAME, HookedFault, hooked

LOCKS: Mapping[str, str] = {"plain": f"{NAME}:{NAME}", "logging": "", "import": NAME}
HANDLERS = "logging"  # what the hook says of them


@dataclass(frozen=True)
class ForkWithThreads(HookedFault):
    """A child that wants the lock waits for ever: who would let it go was not copied."""

    alias: ClassVar[str] = "fork_with_threads"
    doc: ClassVar[str] = "another thread of a program holds a lock whenever the program forks"

    lock: Literal["plain", "logging", "import"] = field(
        metadata={"doc": "a lock of the program, those of log handlers, or that of an import"}
    )
    name: Optional[str] = field(
        default=None, metadata={"doc": 'plain: "module:attribute"; import: the module'}
    )

    def __post_init__(self) -> None:
        form = LOCKS[self.lock]
        if not form and self.name is not None:
            raise ValueError(f"`name` is {self.name!r}: the locks of {self.lock} have none")
        if form and (self.name is None or re.fullmatch(form, self.name) is None):
            wanted = "the name of a module" if self.lock == "import" else '"module:attribute"'
            raise ValueError(f"`name` is {self.name!r}: for lock = {self.lock!r} it is {wanted}")

    def prepare(self, world: World) -> None:
        spec = {"kind": "fork", "lock": self.lock, "name": self.name or HANDLERS}
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        held = f"{self.lock} {{}}" if self.name else "the locks of {}"
        what = f"forks while another thread holds {held}"
        return hooked(world, self.target, "fork", self.name or HANDLERS, what=what)
