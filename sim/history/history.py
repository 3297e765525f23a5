"""What happened in one run, in memory: a header and the ops in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Optional, Sequence

from sim.history.op import Op


@dataclass(frozen=True)
class Allowance:
    """Something other than plain success that a fault or an expectation accounts for."""

    kind: str  # "outcome" | "exit" | "log" | "hang"
    process: str  # "writer", "reader[1]", "reader" (all of that name), "*"
    op: Optional[str] = None  # for "outcome": send | receive
    value: str = "*"  # outcome, exit ("SIGKILL", "3"), or logger name
    because: str = ""  # who accounts for it: "fault[0] kill", "expect[1]"
    level: Optional[str] = None  # for "log"
    pattern: Optional[str] = None  # for "log": a regular expression searched in the message

    def covers(self, process: str) -> bool:
        whole = (process.split("[", 1)[0], process.partition(".")[0])  # of its table, its host
        return self.process in ("*", process, *whole)


@dataclass(frozen=True)
class ProcessHeader:
    name: str  # "reader[1]"
    role: str  # "writer" | "reader"
    rank: Optional[int]  # reader's rank in the ring, else None
    deadline_ns: Optional[int]  # per operation; None waits for ever
    messages: Optional[int] = None  # writer: how many it means to send
    on_timeout: str = "retry"  # "retry" | "drop" | "stop"


@dataclass(frozen=True)
class FaultHeader:
    index: int  # of the injection in the plan
    alias: str
    target: str
    heals: bool  # False where there is nothing to heal
    fatal: bool  # the target's current incarnation dies of it


@dataclass(frozen=True)
class Header:
    """What a checker needs to know of the plan. Plain data, the journal's first line."""

    name: str
    path: str
    world: str
    seed: int
    transport: str
    readers: int
    slots: int
    slot_bytes: int
    mutant: Optional[str]
    knows_owner: bool  # False for flag_ring: after a death only the safety checkers apply
    processes: Sequence[ProcessHeader]
    faults: Sequence[FaultHeader]
    allowances: Sequence[Allowance]
    stall_threshold_ns: int
    deadline_ns: int
    grace_ns: int  # how much later than its deadline an op may end on a loaded machine
    name_prefix: str = ""  # of every OS object the run makes

    def process(self, name: str) -> Optional[ProcessHeader]:
        return next((process for process in self.processes if process.name == name), None)

    def allows(self, kind: str, process: str, value: str, op: Optional[str] = None) -> bool:
        return any(
            a.kind == kind
            and a.covers(process)
            and a.value in ("*", value)
            and (op is None or a.op in (None, op))
            for a in self.allowances
        )


@dataclass(frozen=True)
class History:
    """`ops` is ordered by time, and within a process by the order in which it recorded them."""

    header: Header
    ops: Sequence[Op]

    def of(self, process: str) -> Iterator[Op]:
        return (op for op in self.ops if op.process == process)

    def where(self, f: str, *, type: Optional[str] = None) -> Iterator[Op]:
        return (op for op in self.ops if op.f == f and type in (None, op.type))


def in_order(ops: Iterable[Op]) -> Sequence[Op]:
    """Merge per-process sequences into one; the sort is stable, so each keeps its own order."""
    return tuple(sorted(ops, key=lambda op: op.time_ns))
