"""One live run of a plan."""

from __future__ import annotations

from typing import Tuple

from sim.history.history import History
from sim.live.supervisor import Supervisor
from sim.live.world import open_world
from sim.nemesis import provoke
from sim.scenario.plan import Plan


def run_plan(plan: Plan, supervisor: Supervisor) -> Tuple[History, int]:
    """From nothing to nothing; its history and how long it took, in ns.

    Raises WorldError where the operating system fails.
    """
    with open_world(plan, supervisor) as world:
        provoke(world, plan.injections)
        return world.finish(), world.now_ns() - world.began_ns
