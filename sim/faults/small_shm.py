"""/dev/shm is tiny, as in a container whose engine nobody told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

LEAST_BYTES, MOST_BYTES = 1 << 16, 1 << 30


@dataclass(frozen=True)
class SmallShm:
    """From before the first process to the end of the run. A region that is not reserved is made
    without a word, and the first touch of a page that there is no memory for is a SIGBUS."""

    alias: ClassVar[str] = "small_shm"
    doc: ClassVar[str] = "the run has a tiny /dev/shm of its own (a private mount namespace)"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.SMALL_SHM})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    size_bytes: int = field(default=1 << 20, metadata={"doc": "of /dev/shm, 64 KiB to 1 GiB"})

    def __post_init__(self) -> None:
        if not LEAST_BYTES <= self.size_bytes <= MOST_BYTES:
            raise ValueError(f"`size_bytes` must be {LEAST_BYTES} to {MOST_BYTES}")

    def prepare(self, world: World) -> None:
        world.machine.limit_shm(self.size_bytes)

    def inject(self, world: World) -> Evidence:
        size_bytes = world.machine.shm_size_bytes()
        rounded_up = self.size_bytes <= size_bytes < self.size_bytes + (1 << 16)  # to whole pages
        what = f"/dev/shm has {size_bytes} bytes"
        return Evidence(rounded_up, what, {"size_bytes": size_bytes})

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
