"""Where a plan wants simulated processes held: after so many operations, or at a step."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from cy_kernels.explore import Simulation
from sim.scenario import steps
from sim.scenario.plan import AfterOps, AtStep, Plan
from sim.virtual.lives import Life
from sim.virtual.program import STEP_NAMES, STEP_NUMBERS

KILL = "kill"
STOP = "stop"
TOKEN = "token"  # it waits until the plan's faults were done to it


class Triggers:
    """Arms the machine for each life, as a participant of the live world arms its gate."""

    def __init__(self, plan: Plan, simulation: Simulation) -> None:
        self._simulation = simulation
        self._counts: Dict[str, List[int]] = {}  # still to come, ascending
        self._open: Dict[str, AtStep] = {}
        self._actions: Dict[str, str] = {}
        self._records: Dict[str, Mapping[str, Any]] = {}
        self._roles = {process.name: process.role for process in plan.processes}
        self._there: Dict[str, Life] = {}  # who came to its step, and may still be held
        for injection in plan.injections:
            trigger = injection.trigger
            if isinstance(trigger, AfterOps):
                self._counts.setdefault(trigger.process, []).append(trigger.count)
            elif isinstance(trigger, AtStep):
                self._open[trigger.process] = trigger
                action = getattr(injection.fault, "step_action", TOKEN)
                self._actions[trigger.process] = action
        for name, counts in self._counts.items():
            self._counts[name] = sorted(set(counts))

    def acts_before_attached(self, process: str, incarnation: int) -> bool:
        trigger = self._open.get(process)
        if trigger is None:
            return False
        return trigger.path == (steps.TAKEOVER if incarnation else steps.ATTACH)

    def before_attached(self, life: Life) -> None:
        """Arm its gate for the way to its place, or not at all."""
        trigger = self._open.get(life.name)
        done = self._simulation.done(life.index)
        self._simulation.arm(life.index, 0)
        if trigger is not None and self.acts_before_attached(life.name, life.incarnation):
            if done >= trigger.after_ops:
                number = STEP_NUMBERS[trigger.step]
                self._simulation.arm(life.index, number, trigger.occurrence)
                self._note(life, trigger, arrivals=0)

    def attached(self, life: Life) -> None:
        """Arm what comes to it from now on. A count that an earlier life reached is over."""
        done = self._simulation.done(life.index)
        if life.incarnation:
            counts = self._counts.get(life.name, [])
            self._counts[life.name] = [count for count in counts if count > done]
        self.hold_next(life)
        trigger = self._open.get(life.name)
        if trigger is None or trigger.path in (steps.ATTACH, steps.TAKEOVER):
            return
        self._simulation.arm(
            life.index,
            STEP_NUMBERS[trigger.step],
            trigger.occurrence,
            trigger.after_ops,
            self._phase(trigger),
        )
        self._note(life, trigger, arrivals=0)

    def hold_next(self, life: Life) -> None:
        counts = self._counts.get(life.name)
        if counts:
            self._simulation.hold_after(life.index, counts[0])

    def came_to_count(self, life: Life) -> AfterOps:
        return AfterOps(life.name, self._counts[life.name].pop(0))

    def came_to_step(self, life: Life) -> AtStep:
        trigger = self._open.pop(life.name)
        self._there[life.name] = life
        self._note(life, trigger, arrivals=1)
        return trigger

    def action(self, process: str) -> Optional[str]:
        return self._actions.get(process)

    def is_there(self, life: Life) -> bool:
        """It came to its step: it is dead or stopped of it, or waits there."""
        return self._there.get(life.name) is life

    def goes_on(self, life: Life) -> None:
        if self.is_there(life):
            del self._there[life.name]

    def record(self, process: str) -> Mapping[str, Any]:
        """As sim.abc.World.at_step."""
        nothing = {"is_there": False, "arrivals": 0, "last_step": None, "last_occurrence": 0}
        return self._records.get(process, nothing)

    def _note(self, life: Life, trigger: AtStep, *, arrivals: int) -> None:
        """What the machine says of the gate of the newest life that has one."""
        seen = self._simulation.condition(life.index)
        last = (STEP_NAMES.get(seen["site"]), seen["occurrence"]) if arrivals else (None, 0)
        self._records[life.name] = {
            "step": trigger.step,
            "occurrence": trigger.occurrence,
            "arrivals": arrivals,
            "last_step": last[0],
            "last_occurrence": last[1],
            "is_there": last == (trigger.step, trigger.occurrence),
        }

    def _phase(self, trigger: AtStep) -> str:
        if trigger.path in (steps.END, steps.SHUTDOWN) and self._roles[trigger.process] == "writer":
            return "end"
        return "detach" if trigger.path == steps.DETACH else "messages"
