"""The hang of a plan's execution in the virtual world: its class, and who waits for whom."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Dict, Optional

from sim.hang.classes import Hang
from sim.hang.simulated import classify
from sim.hang.simulated_programs import explain_programs
from sim.history.history import History
from sim.history.op import HANG
from sim.nemesis import Nemesis
from sim.scenario.plan import Plan
from sim.virtual.program import STEP_NAMES, STEPS_MAX, index_of, simulation_of
from sim.virtual.world import REPLAY, VirtualWorld

if TYPE_CHECKING:
    from cy_kernels.explore import Simulation


def explain(plan: Plan, model: str, tape: bytes, *, steps_max: int = STEPS_MAX) -> Optional[Hang]:
    """Why the execution that the tape records stopped, after `steps_max` steps at the latest; None:
    not in a hang."""
    if plan.is_of_programs:
        return explain_programs(plan, tape)

    def bring() -> Simulation:
        made = simulation_of(plan, model, steps_max=steps_max)
        world = VirtualWorld(plan, scheduler=REPLAY, tape=tape, simulation=made)
        Nemesis(world, plan.injections).drive()
        return world.simulation

    names = [process.name for process in sorted(plan.processes, key=index_of)]
    return classify(bring, names, STEP_NAMES)


def hang_class(plan: Plan, model: str, tape: bytes) -> Optional[str]:
    """The class alone, as it is written; None: not in a hang."""
    hang = explain(plan, model, tape)
    return None if hang is None else hang.kind.value


def explained(plan: Plan, model: str, tape: bytes, history: History) -> History:
    """The execution's history, in which a hang has its class and what was found out about it."""
    if not any(op.f == HANG for op in history.ops):
        return history
    hang = explain(plan, model, tape)
    if hang is None:
        return history
    told: Dict[str, Any] = {"class": hang.kind.value, "waits": hang.why, "proof": hang.proof}
    told["on"] = [*hang.waits_for]
    ops = [
        op._replace(detail={**(op.detail or {}), **told}) if op.f == HANG else op
        for op in history.ops
    ]
    return dataclasses.replace(history, ops=ops)
