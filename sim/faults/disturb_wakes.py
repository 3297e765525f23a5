"""Wake-ups of a process that waits by an instruction are missed, too early, raced or cut short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Mapping, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 10_000_000_000  # for it to come to wait, on a loaded machine
ONE_IN_MAX = 2**32 - 1  # the emulator counts waits in 32 bits
QUIET_NS = 20_000_000  # a wait that began before the heal may be counted a moment later

How = Literal["missed", "early", "raced_arm", "raced_wait", "raced_lost", "os_limit"]


@dataclass(frozen=True)
class DisturbWakes:
    """What hardware may do to who waits, and what a waiter must therefore stand: the process runs
    real umwait or mwaitx, emulated by a trap that misbehaves."""

    alias: ClassVar[str] = "disturb_wakes"
    doc: ClassVar[str] = "a process that waits by an instruction misses wake-ups, or wakes early"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.DISTURB_WAKES})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    how: How = field(default="missed", metadata={"doc": "what happens to a wake-up"})
    one_in: int = field(default=1, metadata={"doc": "one of so many waits is disturbed"})
    after_ns: int = field(default=0, metadata={"doc": "early, os_limit: when a wait ends"})
    hold_ns: int = field(
        default=1_000_000, metadata={"doc": "raced: it is held for its peer's store no longer"}
    )

    def __post_init__(self) -> None:
        if self.one_in < 1:
            raise ValueError("`one_in` must be 1 at least: one of so many waits")
        if self.one_in > ONE_IN_MAX:
            raise ValueError(f"`one_in` must be {ONE_IN_MAX} at most")
        if self.how == "os_limit" and self.one_in > 1:
            raise ValueError("`one_in` is not for os_limit, which holds for every wait")

    @property
    def waits_by(self) -> Sequence[str]:
        return ("umwait",) if self.how == "os_limit" else ("umwait", "mwaitx")

    def inject(self, world: World) -> Evidence:
        """Proven by waits that it disturbed. That a store was missed in one may take a while: the
        peer may be held at the trigger."""
        before = self._wakes(world, at_least=0)
        for_ns = self.hold_ns if self.how.startswith("raced") else self.after_ns
        world.machine.disturb_wakes(self.target, self.how, self.one_in, for_ns)
        seen = self._wakes(world, at_least=before["disturbed"] + 1)
        what = f"of {seen['emulated']} waits by instruction {seen['disturbed']} were disturbed"
        return Evidence(seen["disturbed"] > before["disturbed"], f"{what}: {self.how}", seen)

    def heal(self, world: World) -> Evidence:
        world.machine.calm_wakes(self.target)
        before = self._wakes(world, at_least=0)
        seen = self._wakes(world, at_least=before["disturbed"] + 2, within_ns=QUIET_NS)
        longest = "without a timer" if seen["unbounded"] else f"of {seen['longest_ns']} ns"
        what = f"of {seen['disturbed']} disturbed waits {seen['struck']} were {self.how}"
        what += f"; the longest wait asked for was one {longest}"
        return Evidence(seen["disturbed"] - before["disturbed"] <= 1, what, seen)

    def _wakes(
        self, world: World, *, at_least: int, within_ns: int = WITHIN_NS
    ) -> Mapping[str, Any]:
        return world.machine.wakes(self.target, self.how, at_least=at_least, within_ns=within_ns)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
