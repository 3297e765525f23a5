"""Which kernels each process of a plan runs, and what a plan asks of pure ones that they lack."""

from __future__ import annotations

from typing import Mapping, Optional

import cy_kernels
from cy_kernels.choice import COMPILED, PURE, VARIABLE, BadChoice, chosen
from sim.abc import Capability
from sim.errors import Problem, ScenarioError
from sim.scenario.plan import AtStep, Plan, ProcessPlan

# What a fault may ask of its target that only compiled kernels can do.
PURE_CANNOT: Mapping[Capability, str] = {
    Capability.STEP: "act at a step of the protocol (they have no gate)",
    Capability.DISTURB_WAKES: "have their wake-ups disturbed (they execute no such instruction)",
    Capability.RESTART: "take the place of a dead process over (no compare-and-swap)",
}


def default_kernels() -> str:
    """Of a process whose scenario leaves it open. Warns once, by way of logging, where nothing
    compiled can be loaded. Raises ScenarioError where the variable of that name makes no sense."""
    try:
        return chosen()
    except BadChoice as error:
        raise ScenarioError([Problem("spinbed", None, None, str(error))]) from None


def kernels_of(process: ProcessPlan) -> str:
    """Compiled or pure: by its key, its environment, the runner's, or what is installed."""
    kind = process.kernels or process.env.get(VARIABLE)
    try:
        return chosen(kind) if kind else default_kernels()
    except BadChoice as error:
        raise ScenarioError([Problem("spinbed", None, f"{process.name}.env", str(error))]) from None


def lack_of_kernels(plan: Plan) -> Optional[str]:
    """Why its processes cannot do here what the plan asks of them; None where they can."""
    kinds = {
        process.name: kernels_of(process)
        for process in plan.processes
        if process.python is None or process.kernels == PURE
    }
    pure = [name for name, kind in kinds.items() if kind == PURE]
    reason = cy_kernels.status().reason if len(pure) < len(kinds) else None
    if reason is not None:
        name = next(name for name, kind in kinds.items() if kind == COMPILED)
        return f"{name} asks for compiled kernels: {reason}"
    if not pure:
        return None
    from cy_kernels.pure.memory import refusal  # ctypes, which compiled runs do without

    why_not = refusal()
    if why_not is not None:
        return why_not
    if plan.transport.mutant is not None:
        return f"pure kernels have no mutants, and {pure[0]} runs them"
    for process in plan.processes:
        if process.name in pure and process.role == "writer" and plan.transport.evict_dead:
            return f"pure kernels cannot evict (no compare-and-swap), and {process.name} runs them"
    for injection in plan.injections:
        needs = [(capability, injection.fault.target) for capability in injection.fault.requires]
        if isinstance(injection.trigger, AtStep):
            needs.append((Capability.STEP, injection.trigger.process))
        for capability, name in sorted(needs, key=lambda need: need[0].value):
            if capability in PURE_CANNOT and name in pure:
                return f"pure kernels cannot {PURE_CANNOT[capability]}, and {name} runs them"
    return None
