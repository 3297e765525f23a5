"""A process gets signals at a steady rate: its system calls are interrupted again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 10_000_000_000  # for the sender to start, on a loaded machine
QUIET_NS = 20_000_000  # after the sender's end: one more signal may have been on its way


@dataclass(frozen=True)
class SignalStorm:
    """The process installs a handler that counts, without SA_RESTART: real EINTR."""

    alias: ClassVar[str] = "signal_storm"
    doc: ClassVar[str] = "sends the process signals at a rate, which interrupt its system calls"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.SIGNAL})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    period_ns: int = field(default=1_000_000, metadata={"doc": "from one signal to the next"})

    def inject(self, world: World) -> Evidence:
        world.machine.storm(self.target, self.period_ns)
        received = world.machine.signals_received(self.target, at_least=1, within_ns=WITHIN_NS)
        what = f"the process received {received} signals so far"
        return Evidence(received >= 1, what, {"received": received})

    def heal(self, world: World) -> Evidence:
        world.machine.calm(self.target)
        received = world.machine.signals_received(self.target, at_least=0, within_ns=0)
        more = world.machine.signals_received(
            self.target, at_least=received + 2, within_ns=QUIET_NS
        )
        what = f"the process received {more} signals in all"
        return Evidence(more - received <= 1, what, {"received": more})

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
