"""What one incarnation of a participant is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from sim.abc import Capability, TransportSpec
from sim.live.steps import Arming
from sim.scenario.plan import AfterOps, Plan, ProcessPlan, ProgramWorkload, WriterWorkload

RECORDS_MAX = 4_000_000  # 128 MB of memory, touched only as far as it is used
RECORDS_SPARE = 64


@dataclass(frozen=True)
class RemoteLeg:
    """The way from a writer to readers on other hosts, as one end of it has to know it."""

    address: str  # as ZeroMQ spells them
    readers: int = 0  # whom a writer awaits


@dataclass(frozen=True)
class Task:
    """Travels pickled, so that it reaches a process of any start method."""

    process: ProcessPlan
    spec: TransportSpec
    name_prefix: str  # of the run's regions
    incarnation: int
    ops_before: int  # completed by earlier incarnations
    kernels: str  # "compiled" | "pure": what the scenario leaves open, the runner has decided
    namespaces: Sequence[str]  # to be entered first, by path in /proc
    stops: Sequence[int]  # counts of completed ops at which to stop and report, ascending
    arming: Optional[Arming] = None  # what its step gate is to do
    interpreter: Optional[str] = None  # to be executed; None: it is the template's own
    path: str = ""  # of that one: where it finds this product
    remote: Optional[RemoteLeg] = None  # its part in what goes to other hosts
    emulates: bool = False  # its waiting instructions trap, so that its wakes can be disturbed


def stops_for(plan: Plan, process: str, incarnation: int, ops_before: int) -> Sequence[int]:
    counts = {
        injection.trigger.count
        for injection in plan.injections
        if isinstance(injection.trigger, AfterOps) and injection.trigger.process == process
    }
    # A count that an earlier incarnation reached was acted on then.
    return sorted(count for count in counts if count > ops_before or not incarnation)


def emulates(plan: Plan, process: str) -> bool:
    return any(
        Capability.DISTURB_WAKES in each.fault.requires and each.fault.target == process
        for each in plan.injections
    )


def records_for(plan: Plan, process: ProcessPlan) -> int:
    """How many records the process can come to: two an operation, timed-out ones included."""
    writers = [p.workload for p in plan.processes if isinstance(p.workload, WriterWorkload)]
    operations = sum(work.messages for work in writers)
    assert not isinstance(process.workload, ProgramWorkload)
    deadline_ns = process.workload.deadline_ns
    if deadline_ns is not None:
        operations += plan.deadline_ns // max(deadline_ns, 1)
    return min(2 * operations + RECORDS_SPARE, RECORDS_MAX)
