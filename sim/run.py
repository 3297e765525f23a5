"""The story: load -> plan -> open world -> provoke -> check -> report."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Optional, Sequence, TypeVar

from sim.errors import Problem, ScenarioError
from sim.history.journal import Journal
from sim.live.execution import run_plan
from sim.live.kernels import lack_of_kernels
from sim.live.rights import lack_of_rights
from sim.live.supervisor import Supervisor
from sim.live.world import LiveWorld
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


def run(plan: Plan, world: Supervisor, *, reproduce: str, journal: Path) -> RunResult:
    """Raises WorldError where the operating system fails."""
    history, duration_ns = run_plan(plan, world)
    temporaries = world.temporaries(str(journal.parent))  # gone even if we are killed here
    with Journal.create(journal, history.header, temporaries=temporaries) as written:
        written.write(history.ops)
    return judge(plan, history, duration_ns=duration_ns, reproduce=reproduce, journal=str(journal))


def lacks(plan: Plan) -> Optional[str]:
    """What this host or world cannot give the run: a reason to skip it."""
    if "live" not in plan.worlds:
        return f"it is for the world {' or '.join(plan.worlds)}, which is not in this version"
    missing = sorted(capability.value for capability in plan.requires - LiveWorld.capabilities)
    if missing:
        return f"the live world cannot {', '.join(missing)} here"
    return lack_of_kernels(plan) or lack_of_rights(plan.requires)
