"""One run of a cluster's plan: its history, and how long it took."""

from __future__ import annotations

from typing import Tuple

from sim.cluster.world import ClusterWorld
from sim.history.history import History
from sim.nemesis import provoke
from sim.scenario.plan import Plan


def execute(plan: Plan) -> Tuple[History, int]:
    """The history, and how long the run took in virtual ns."""
    world = ClusterWorld(plan)
    provoke(world, plan.injections)
    return world.finish(), world.now_ns()
