"""A plan as a program of the simulated machine, and what of a plan that machine cannot do."""

from __future__ import annotations

from typing import Mapping

from cy_kernels import explore
from sim.scenario.plan import (
    AtStep,
    Plan,
    ProcessPlan,
    ProgramWorkload,
    ReaderWorkload,
    WriterWorkload,
)

HEARTBEAT = "wait.clock.store_heartbeat"
STEP_NUMBERS: Mapping[str, int] = {name: number for number, name in explore.STEPS}
STEP_NAMES: Mapping[int, str] = dict(explore.STEPS)
STEPS_MAX = 100_000_000  # of one execution: each costs a byte of tape at most
KINDS = ("cursor_ring", "flag_ring")


def index_of(process: ProcessPlan) -> int:
    """Its number on the machine: the writer's is 0, a reader's follows from its rank."""
    return 0 if process.rank is None else process.rank + 1


def simulation_of(
    plan: Plan, model: str, *, steps_max: int = STEPS_MAX, stops_at_finding: bool = False
) -> explore.Simulation:
    """The machine that runs this plan's processes under a memory model of explore.MODELS.

    A function of the plan and the model alone, so that a tape made on one is replayed on another.
    Raises ValueError for what the machine cannot do; `lacks` says it before.
    """
    spec = plan.transport
    made = explore.Simulation(len(plan.processes), model=model)
    work = writer_of(plan)
    made.set_ring(
        spec.kind,
        slots=spec.slots,
        slot_bytes=spec.slot_bytes,
        readers=spec.readers,
        is_fenced=spec.order != "as_shipped",
        mutant=spec.mutant,
        sizes=tuple(work.sizes_bytes) or (0,),
        payload_seed=work.payload_seed,
    )
    for process in plan.processes:
        _set_process(made, process, evicts=spec.evict_dead)
    made.limit(steps=steps_max, stops_at_finding=stops_at_finding)
    made.allow(
        heartbeats=any(
            isinstance(i.trigger, AtStep) and i.trigger.step == HEARTBEAT for i in plan.injections
        )
    )
    return made


def writer_of(plan: Plan) -> WriterWorkload:
    return next(p.workload for p in plan.processes if isinstance(p.workload, WriterWorkload))


def wait_of(process: ProcessPlan) -> str:
    """The strategy that is simulated: any by its name; the best on a CPU that has no favourite."""
    return "adaptive" if process.wait == "best" else process.wait


def _set_process(made: explore.Simulation, process: ProcessPlan, *, evicts: bool) -> None:
    work = process.workload
    assert not isinstance(work, ProgramWorkload)
    deadline_ns = -1 if work.deadline_ns is None else work.deadline_ns
    if isinstance(work, WriterWorkload):
        made.set_writer(
            wait=wait_of(process),
            messages=work.messages,
            interval_ns=work.interval_ns,
            deadline_ns=deadline_ns,
            on_timeout=work.on_timeout,
            shuts_down=work.finish == "shutdown",
            evicts=evicts,
        )
    else:
        assert isinstance(work, ReaderWorkload) and process.rank is not None
        made.set_reader(
            index_of(process),
            rank=process.rank,
            wait=wait_of(process),
            think_ns=work.think_ns,
            deadline_ns=deadline_ns,
            on_timeout=work.on_timeout,
        )
