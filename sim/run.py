"""The story: load -> plan -> open world -> provoke -> check -> report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, TypeVar

import cy_kernels
from sim.abc import UNKNOWN, Result
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.history.journal import Journal
from sim.live.supervisor import Supervisor
from sim.scenario.loader import discover, load
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario
from sim.verdict import RunResult, judge

T = TypeVar("T")
U = TypeVar("U")


def load_all(paths: Sequence[str]) -> Sequence[Scenario]:
    """Every run of every file. Raises ScenarioError with the problems of all files."""
    return _each(load, discover(paths))


def plan_all(scenarios: Sequence[Scenario], seed: int) -> Sequence[Plan]:
    """Raises ScenarioError where something that a file names cannot be had."""
    return _each(lambda scenario: [make_plan(scenario, seed)], scenarios)


def _each(make: Callable[[T], Sequence[U]], sources: Sequence[T]) -> Sequence[U]:
    made: List[U] = []
    problems: List[Problem] = []
    for source in sources:
        try:
            made += make(source)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(tuple(dict.fromkeys(problems)))
    return made


def skipped(plan: Plan, *, reproduce: str) -> Optional[RunResult]:
    """The result of a run that this host or world cannot do; None: it can."""
    lacking = _lacking(plan)
    return None if lacking is None else _without_a_history(plan, reproduce, skipped=lacking)


def run(plan: Plan, world: Supervisor, *, reproduce: str, journal: Path) -> RunResult:
    """Raises WorldError where the operating system fails."""
    from sim.live.run import run_plan  # cannot be imported without compiled kernels

    history, duration_ns = run_plan(plan, world)
    with Journal.create(journal, history.header) as written:
        written.write(history.ops)
    return judge(plan, history, duration_ns=duration_ns, reproduce=reproduce, journal=str(journal))


def failed(plan: Plan, error: WorldError, *, reproduce: str) -> RunResult:
    """The operating system failed: nothing is known about the system under test."""
    why = str(error)
    return replace(
        _without_a_history(plan, reproduce, skipped=None),
        verdict=UNKNOWN,
        as_expected=False,
        exit_status=ExitStatus.UNKNOWN,
        checkers=(Result("world", UNKNOWN, why),),
        failure=(why, "no history: the run did not end", reproduce),
    )


def _lacking(plan: Plan) -> Optional[str]:
    if "live" not in plan.worlds:
        return f"it is for the world {' or '.join(plan.worlds)}, which is not in this version"
    kernels = cy_kernels.status()
    if kernels.reason is not None:
        return f"the kernels are not compiled: {kernels.reason}"
    from sim.live.world import LiveWorld

    missing = sorted(capability.value for capability in plan.requires - LiveWorld.capabilities)
    return f"the live world cannot {', '.join(missing)} here" if missing else None


def _without_a_history(plan: Plan, reproduce: str, *, skipped: Optional[str]) -> RunResult:
    nothing: Sequence[Any] = ()
    facts = (plan.name, plan.path, "live", plan.seed, None, None, ExitStatus.OK)
    return RunResult(*facts, nothing, nothing, nothing, nothing, 0, reproduce, skipped=skipped)
