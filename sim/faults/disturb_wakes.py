"""Wake-ups of a process that waits by an instruction are missed, too early, raced or cut short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 10_000_000_000  # for it to come to wait, on a loaded machine
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
        if self.how == "os_limit" and self.one_in > 1:
            raise ValueError("`one_in` is not for os_limit, which holds for every wait")

    @property
    def waits_by(self) -> Sequence[str]:
        return ("umwait",) if self.how == "os_limit" else ("umwait", "mwaitx", "best")

    def inject(self, world: World) -> Evidence:
        """It is let go where it is held: it can only be disturbed while it waits."""
        before = world.machine.wakes(self.target, self.how, at_least=0, within_ns=0)
        for_ns = self.hold_ns if self.how.startswith("raced") else self.after_ns
        world.machine.disturb_wakes(self.target, self.how, self.one_in, for_ns)
        seen = world.machine.wakes(
            self.target, self.how, at_least=before["struck"] + 1, within_ns=WITHIN_NS
        )
        what = f"of {seen['emulated']} waits by instruction {seen['struck']} were {self.how}"
        return Evidence(seen["struck"] > before["struck"], what, seen)

    def heal(self, world: World) -> Evidence:
        world.machine.calm_wakes(self.target)
        seen = world.machine.wakes(self.target, self.how, at_least=0, within_ns=0)
        more = world.machine.wakes(
            self.target, self.how, at_least=seen["struck"] + 2, within_ns=QUIET_NS
        )
        what = f"{more['struck']} waits were {self.how}, and no wait was longer than "
        what += f"{more['longest_ns']} ns" if not more["unbounded"] else "for ever"
        return Evidence(more["struck"] - seen["struck"] <= 1, what, more)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
