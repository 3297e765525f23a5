"""What the CPU offers to the processes of a plan, as SPINBED_CPU has it for each of them."""

from __future__ import annotations

import os
from typing import List, Optional, Sequence

from cy_kernels.choice import kernels
from cy_kernels.features import VARIABLE, BadOverride, Features
from sim.errors import Problem, ScenarioError
from sim.live.kernels import default_kernels
from sim.scenario.plan import Plan


def features_here(kind: Optional[str] = None, *, override: Optional[str] = None) -> Features:
    """Of a process whose scenario leaves it open, as kernels of that kind find it.

    `override` instead of the variable, "" for neither. Raises ScenarioError where that makes no
    sense.
    """
    features: Features
    try:
        features = kernels(kind or default_kernels()).cpu.features(override)
    except BadOverride as error:
        raise ScenarioError([Problem("spinbed", None, None, str(error))]) from None
    return features


def check_environments(plans: Sequence[Plan]) -> None:
    """Before anything is started: whether the variable makes sense wherever it is set.

    Raises ScenarioError with every problem found.
    """
    if VARIABLE in os.environ:
        features_here()
    problems: List[Problem] = []
    for plan in plans:
        for process in plan.processes:
            override = process.env.get(VARIABLE)
            try:
                if override is not None:
                    kernels().cpu.features(override)
            except BadOverride as error:
                why = str(error).replace("override", VARIABLE, 1)
                problems.append(Problem(plan.path, None, f"{process.name}.env", why))
    if problems:
        raise ScenarioError(tuple(dict.fromkeys(problems)))
