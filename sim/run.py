"""The story: load -> plan -> open world -> provoke -> check -> report."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from sim import bundle
from sim.hang import observed, of_run
from sim.history.journal import Journal
from sim.live.execution import run_plan
from sim.live.hosts import lack_of_hosts, remote_hosts
from sim.live.kernels import lack_of_kernels
from sim.live.program_world import ProgramWorld
from sim.live.pythons import lack_of_interpreters
from sim.live.rights import lack_of_damage, lack_of_rights
from sim.live.telling import of_no_class
from sim.live.world import LiveWorld
from sim.loading import of_all
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario
from sim.transport import lack_of_transport
from sim.verdict import RunResult, judge
from sim.worlds import (
    Worlds,
    is_there,
    refuse_live_only,
    refuse_without_simpy,
    run_virtually,
)


def plan_all(
    scenarios: Sequence[Scenario], seed: int, world: Optional[str] = None
) -> Sequence[Plan]:
    """For that world; None: for each scenario's own. Raises ScenarioError where something that a
    file names cannot be had, or not in that world."""

    def plan(scenario: Scenario) -> Sequence[Plan]:
        made = make_plan(scenario, seed, world)
        if scenario.cluster is not None:
            refuse_without_simpy(scenario)
        elif made.world == "virtual" and "virtual" in scenario.worlds and is_there():
            refuse_live_only(scenario)
        return [made]

    return of_all(plan, scenarios)


def run(
    plan: Plan, worlds: Worlds, *, reproduce: str, journal: Path, keeps_hangs: bool = False
) -> RunResult:
    """`keeps_hangs`: the bundle of an expected hang too. Raises WorldError where the operating
    system fails."""
    temporaries: Optional[str] = None
    if plan.world == "virtual":
        history, duration_ns = run_virtually(plan)
    else:
        tell = (of_run if plan.is_of_programs else observed).tell_apart
        if remote_hosts(plan):  # the evidence is of one ring, and they are not at it
            tell = of_no_class
        history, duration_ns = run_plan(plan, worlds.supervisor, tell)
        # Gone even if we are killed here.
        temporaries = worlds.supervisor.temporaries(str(journal.parent))
    with Journal.create(journal, history.header, temporaries=temporaries) as written:
        written.write(history.ops)
    words: Mapping[str, Any] = {"reproduce": reproduce, "journal": str(journal)}
    result = judge(plan, history, duration_ns=duration_ns, **words)
    place = bundle.beside(journal)
    is_told = plan.world == "live" and result.hang is not None
    if is_told and (keeps_hangs or not result.as_expected):
        bundle.keep(place, plan, history, result, temporaries)
        return _with_bundle(result, place)
    bundle.discard(place, temporaries)
    return result


def _with_bundle(result: RunResult, place: Path) -> RunResult:
    """A failure names it before the command."""
    *lines, command = result.failure or [""]
    failure = (*lines, shlex.join(["spinbed", "report", str(place)]), command)
    return replace(result, bundle=str(place), failure=failure if result.failure else ())


def lacks(plan: Plan) -> Optional[str]:
    """What this host or world cannot give the run: a reason to skip it."""
    if plan.world not in plan.worlds:
        return f"it is for the world {' or '.join(plan.worlds)}, not for {plan.world}"
    if plan.cluster is not None:
        return None
    if plan.world == "virtual":
        return None if is_there() else "the virtual world needs compiled kernels: there are none"
    there = ProgramWorld.capabilities if plan.is_of_programs else LiveWorld.capabilities
    missing = sorted(capability.value for capability in plan.requires - there)
    if missing:
        return f"the live world cannot {', '.join(missing)} here"
    lack = lack_of_interpreters(plan) or lack_of_rights(plan.requires)
    if plan.is_of_programs:
        return lack or lack_of_damage(plan)
    ring = lack_of_transport(plan.transport.kind) or lack_of_kernels(plan)
    return ring or lack_of_hosts(plan) or lack
