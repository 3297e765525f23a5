"""What faults need of this host beyond what every Linux gives to every user."""

from __future__ import annotations

import functools
from typing import AbstractSet, Callable, Mapping, Optional

import cy_kernels
from sim.abc import Capability
from sim.faults.break_extension import BreakExtension
from sim.faults.foreign_abi import ForeignAbi
from sim.live import cgroup, damage, emulation, mounts
from sim.scenario.plan import Plan, ProcessPlan, ProgramWorkload

LACKS: Mapping[Capability, Callable[[], Optional[str]]] = {
    Capability.FREEZE: functools.partial(cgroup.lack, cgroup.FREEZER),
    Capability.CPU_QUOTA: functools.partial(cgroup.lack, cgroup.CPU),
    Capability.DISTURB_WAKES: emulation.lack,
    Capability.SMALL_SHM: functools.lru_cache(maxsize=1)(mounts.lack),
}


def lack_of_rights(required: AbstractSet[Capability]) -> Optional[str]:
    """Why this host or user cannot do what is required; None where they can."""
    for capability in sorted(required & LACKS.keys(), key=lambda capability: capability.value):
        reason = LACKS[capability]()
        if reason is not None:
            return f"this host cannot {capability.value}: {reason}"
    return None


def lack_of_damage(plan: Plan) -> Optional[str]:
    """Why this host cannot break an extension so, or let a program meet it; None where it can."""
    processes = {process.name: process for process in plan.processes}
    for injection in plan.injections:
        fault = injection.fault
        if not isinstance(fault, (BreakExtension, ForeignAbi)):
            continue
        if fault.module.startswith("cy_kernels.") and _runs_ours(processes[fault.target]):
            none = cy_kernels.status().reason
            if none is not None:
                return f"there is no compiled file of {fault.module} to be broken: {none}"
        if isinstance(fault, ForeignAbi):
            continue
        kind, _ = damage.parsed(fault.how)
        reason = _lack_of(kind)
        if reason is not None:
            return f"this host cannot make it {kind}: {reason}"
    return None


_lack_of = functools.lru_cache(maxsize=64)(damage.lack)


def _runs_ours(process: ProcessPlan) -> bool:
    work = process.workload
    is_a_function = isinstance(work, ProgramWorkload) and work.program is not None
    return is_a_function and process.python is None
