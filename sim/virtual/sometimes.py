"""[[sometimes]]: did it ever happen, in any of an exploration's executions?"""

from __future__ import annotations

from cy_kernels.recorder import FUNCTIONS, OUTCOMES
from sim.scenario.exploring import RUNGS
from sim.scenario.plan import Plan, Sometimes
from sim.virtual.exploring import Coverage
from sim.virtual.program import STEP_NUMBERS, index_of


def is_reached(table: Sometimes, plan: Plan, covered: Coverage) -> bool:
    """`covered`: of all executions of the plan."""
    if table.rung is not None:
        return STEP_NUMBERS[RUNGS[table.rung]] in covered.sites
    if table.step is not None:
        return STEP_NUMBERS[table.step] in covered.sites
    indices = {
        index_of(each)
        for each in plan.processes
        if table.process in (None, each.name, each.name.partition("[")[0])
    }
    return any(
        index in indices
        and OUTCOMES[outcome] == table.outcome
        and table.op in (None, FUNCTIONS[function])
        for index, function, outcome in covered.outcomes
    )


def in_words(table: Sometimes) -> str:
    facts = {
        "rung": table.rung,
        "step": table.step,
        "process": table.process,
        "op": table.op,
        "outcome": table.outcome,
    }
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    return f"{table.key}: {said}"
