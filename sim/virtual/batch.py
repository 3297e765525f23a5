"""Many executions of one plan under one model and scheduler, seeds in a row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Counter as Counted
from typing import Optional

from cy_kernels.explore import Simulation
from sim.nemesis import provoke
from sim.scenario.plan import Plan
from sim.virtual.execution import Execution, execution_of
from sim.virtual.judging import ONE_IN, disagreement, finding_of, judged
from sim.virtual.program import simulation_of
from sim.virtual.schedulers import parse
from sim.virtual.world import VirtualWorld


class Disagreement(Exception):
    """The oracles and the checkers contradict each other: a defect of spinbed."""


@dataclass
class Batch:
    """What the executions came to."""

    executions: int = 0
    steps: int = 0
    findings: Counted[str] = field(default_factory=Counter)  # by name: the oracles', or "liveness"
    checked: int = 0  # by the checkers too
    first: Optional[Execution] = None  # the first suspect, whole
    first_seed: Optional[int] = None


def explore_batch(
    plan: Plan,
    model: str,
    scheduler: str,
    first_seed: int,
    count: int,
    *,
    stops_at_first: bool = False,
    expected_choices: int = 0,
    simulation: Optional[Simulation] = None,
) -> Batch:
    """Run them; suspects, and one execution in a thousand, are judged by the checkers as well.

    A plan without faults never leaves the machine between two suspects. Raises Disagreement,
    BadScheduler, and WorldError where a fault cannot be done.
    """
    made = simulation or simulation_of(plan, model)
    chosen = parse(scheduler)
    batch = Batch()
    seed, end = first_seed, first_seed + count
    while seed < end and not (stops_at_first and batch.first is not None):
        if not plan.injections and seed % ONE_IN:
            chosen.choose(made, expected_choices)
            before_checked = seed + ONE_IN - seed % ONE_IN
            done, steps = made.execute_many(seed, min(end, before_checked) - seed)
            batch.executions += done
            batch.steps += steps
            seed += done
            if made.stop != "ended" or made.finding is not None:  # again, with its history
                _judge(batch, _run(plan, scheduler, seed - 1, expected_choices, made), seed - 1)
            continue
        world = _run(plan, scheduler, seed, expected_choices, made)
        batch.executions += 1
        batch.steps += made.steps
        is_suspect = world.is_cut_short or made.finding is not None or made.stop == "stuck"
        if is_suspect or seed % ONE_IN == 0:
            _judge(batch, world, seed)
        seed += 1
    return batch


def _run(
    plan: Plan, scheduler: str, seed: int, expected_choices: int, made: Simulation
) -> VirtualWorld:
    world = VirtualWorld(
        plan,
        scheduler=scheduler,
        seed=seed,
        expected_choices=expected_choices,
        simulation=made,
    )
    provoke(world, plan.injections)
    return world


def _judge(batch: Batch, world: VirtualWorld, seed: int) -> None:
    execution = execution_of(world)
    results = judged(execution.history)
    batch.checked += 1
    contradiction = disagreement(execution, results)
    if contradiction is not None:
        raise Disagreement(f"seed {seed}: {contradiction}")
    name = finding_of(execution, results)
    if name is not None:
        batch.findings[name] += 1
        if batch.first is None:
            batch.first, batch.first_seed = execution, seed
