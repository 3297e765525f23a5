"""What the runs of one thread need to happen in, and the way into a world that needs nothing."""

from __future__ import annotations

import importlib.util
import threading
from contextlib import ExitStack
from typing import Optional, Tuple

import cy_kernels
from cy_kernels.choice import COMPILED
from sim.errors import Problem, ScenarioError
from sim.history.history import History
from sim.live.supervisor import Supervisor
from sim.scenario.plan import Plan
from sim.scenario.scenario import Scenario


class Worlds:
    """A supervisor from the first live run on. Only `abort` may be called from another thread."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._supervisor: Optional[Supervisor] = None
        self._lock = threading.Lock()
        self._is_aborted = False

    def __enter__(self) -> Worlds:
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.__exit__(None, None, None)

    @property
    def supervisor(self) -> Supervisor:
        """Raises WorldError where it cannot be started."""
        if self._supervisor is None:
            opened = self._opened.enter_context(Supervisor())
            with self._lock:
                self._supervisor = opened
                if self._is_aborted:
                    opened.abort()
        return self._supervisor

    def abort(self) -> None:
        """Whatever runs live here ends soon with a WorldError."""
        with self._lock:
            self._is_aborted = True
            if self._supervisor is not None:
                self._supervisor.abort()


def is_there() -> bool:
    """The simulated machine, which is compiled."""
    return cy_kernels.status().kind == COMPILED


def refuse_without_simpy(scenario: Scenario) -> None:
    """Raises ScenarioError where what keeps the time of a cluster is not installed."""
    if scenario.cluster is not None and importlib.util.find_spec("simpy") is None:
        why = "needs simpy, which is not installed: pip install 'spinbed[cluster]'"
        raise ScenarioError([Problem(scenario.path, scenario.lines.get("cluster"), "cluster", why)])


def refuse_live_only(scenario: Scenario) -> None:
    """Raises ScenarioError where the scenario asks for what only the live world can do."""
    from sim.virtual.limits import lacks

    found = [
        Problem(scenario.path, scenario.lines.get(key), key, f"{why} (--world live)")
        for key, why in lacks(scenario)
    ]
    if found:
        raise ScenarioError(found)


def run_virtually(plan: Plan) -> Tuple[History, int]:
    """One execution, chosen by the plan's seed; its history and how long it took in virtual ns."""
    if plan.is_of_programs:
        return _run_programs(plan)
    if plan.cluster is not None:
        from sim.cluster.execution import execute as execute_cluster

        return execute_cluster(plan)
    from sim.hang.explain import explained
    from sim.virtual.execution import execute

    made = execute(plan, model=plan.model, scheduler=plan.scheduler, seed=plan.seed)
    return explained(plan, plan.model, made.tape, made.history), made.clock_ns


def _run_programs(plan: Plan) -> Tuple[History, int]:
    from sim.hang.simulated_programs import tell_apart
    from sim.virtual.lifecycle.execution import execute_programs

    made = execute_programs(plan, scheduler=plan.scheduler, seed=plan.seed, tell=tell_apart)
    return made.history, made.clock_ns
