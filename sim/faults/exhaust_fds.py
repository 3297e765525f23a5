"""A process can open no more files: its limit of descriptors is lowered under what it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

WITHIN_NS = 5_000_000_000  # the process may have to end a long wait first


@dataclass(frozen=True)
class ExhaustFds:
    alias: ClassVar[str] = "exhaust_fds"
    doc: ClassVar[str] = "lowers the process's limit of descriptors: it can open nothing (EMFILE)"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LIMIT_FDS})
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    limit: int = field(default=0, metadata={"doc": "RLIMIT_NOFILE; what is open stays open"})

    def inject(self, world: World) -> Evidence:
        limit = world.machine.limit_fds(self.target, self.limit)
        outcome = world.machine.try_open(self.target, within_ns=WITHIN_NS)
        data = {"limit": limit, "open": outcome}
        return Evidence(outcome == "EMFILE", f"open(2) in the process: {outcome}", data)

    def heal(self, world: World) -> Evidence:
        limit = world.machine.limit_fds(self.target, None)
        state = world.state(self.target)
        if limit is None:
            return Evidence(True, f"gone with its process: {state}", {"state": state})
        if state != "running":  # it cannot answer, and the kernel's word is enough
            return Evidence(limit > self.limit, f"limit: {limit}", {"limit": limit})
        outcome = world.machine.try_open(self.target, within_ns=WITHIN_NS)
        data = {"limit": limit, "open": outcome}
        return Evidence(outcome == "ok", f"open(2) in the process: {outcome}", data)

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
