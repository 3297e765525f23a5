"""The step gate between a plan and its processes: who arms it when, and who has come to it.

The control block of a process lies in its memory (sim/live/memory.py). The participant arms it, at
the exact moment; the runner reads it, also after a death.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence

from sim.scenario import steps
from sim.scenario.plan import AtStep, Plan

if TYPE_CHECKING:
    from sim.live.process import LiveProcess

NEVER = 2**63 - 1
POLL_NS = 2_000_000

# When a participant arms its gate.
BEFORE_ATTACH = "attach"
BETWEEN_OPS = "op"
BEFORE_END = "end"
BEFORE_DETACH = "detach"

KILL = "kill"
STOP = "stop"
TOKEN = "token"  # it waits until the runner has done to it what the plan says


@dataclass(frozen=True)
class Arming:
    """What an incarnation is told of its gate."""

    step: Optional[str]  # None: every step
    occurrence: int
    action: str
    moment: str
    after_ops: int


class Gate:
    """The participant's side. Does nothing where nothing is planned for this incarnation."""

    def __init__(self, arming: Optional[Arming], control: memoryview) -> None:
        self._arming = arming
        self._control = control
        if arming is not None:
            from cy_kernels import gate  # which a process of pure kernels does not have

            gate.install(control)

    @property
    def due(self) -> int:
        """The number of completed operations after which it is to be armed."""
        arming = self._arming
        return arming.after_ops if arming is not None and arming.moment == BETWEEN_OPS else NEVER

    def come_to(self, moment: str, completed: int) -> None:
        """Arm it, once, if this is the moment."""
        arming = self._arming
        if arming is None or arming.moment != moment or completed < arming.after_ops:
            return
        from cy_kernels import gate

        gate.arm(self._control, arming.step, arming.action, arming.occurrence)
        self._arming = None


class StepTriggers:
    """The runner's side: the plan's step triggers, one a process at most."""

    def __init__(self, plan: Plan) -> None:
        self._open: Dict[str, AtStep] = {}
        self._actions: Dict[str, str] = {}
        self._roles = {process.name: process.role for process in plan.processes}
        self._there: Dict[str, LiveProcess] = {}  # who came to its step, and may still be held
        for injection in plan.injections:
            trigger = injection.trigger
            if isinstance(trigger, AtStep):
                self._open[trigger.process] = trigger
                action = getattr(injection.fault, "step_action", TOKEN)
                self._actions[trigger.process] = action

    def arming(self, process: str, incarnation: int, ops_before: int) -> Optional[Arming]:
        """For the next incarnation of the process; None: it goes through no gate."""
        trigger = self._open.get(process)
        if trigger is None:
            return None
        if trigger.path in (steps.ATTACH, steps.TAKEOVER):
            is_successor = incarnation > 0
            if is_successor != (trigger.path == steps.TAKEOVER) or ops_before < trigger.after_ops:
                return None
        moment = _moment(trigger.path, self._roles[process])
        action = self._actions[process]
        return Arming(trigger.step, trigger.occurrence, action, moment, trigger.after_ops)

    def look_ns(self) -> int:
        """When to look again for somebody who comes to a step and lives: no event tells of that."""
        is_awaited = any(self._actions[process] != KILL for process in self._open)
        return time.monotonic_ns() + POLL_NS if is_awaited else NEVER

    def newly_there(self, lives: Sequence[LiveProcess]) -> Sequence[AtStep]:
        """The triggers of those who have come to their step since the last call."""
        found = []
        for life in lives:
            trigger = self._open.get(life.name)
            if trigger is None or life.task.arming is None or not _state(life)["arrivals"]:
                continue
            if self._actions[life.name] == KILL and not life.is_dead:
                continue  # it is about to
            if life.pid is None:
                continue  # it was faster than the news of its start: no signal would reach it yet
            del self._open[life.name]
            self._there[life.name] = life
            found.append(trigger)
        return found

    def is_there(self, life: LiveProcess) -> bool:
        """It came to its step: it is dead or stopped of it, or waits there."""
        return self._there.get(life.name) is life

    def stops(self, process: str) -> bool:
        return self._actions.get(process) == STOP

    def goes_on(self, life: LiveProcess) -> None:
        """It was stopped at its step, and is no longer."""
        if self.is_there(life) and self.stops(life.name):
            del self._there[life.name]

    def let_go(self, life: LiveProcess) -> bool:
        """Let it take the step that it waits at; False: it waits at none."""
        if not self.is_there(life) or self._actions[life.name] != TOKEN or life.is_dead:
            return False
        from cy_kernels import gate

        del self._there[life.name]
        gate.grant(life.memory.gate)
        return True

    def record(self, lives: Sequence[LiveProcess]) -> Mapping[str, Any]:
        """What the gate of the newest incarnation that had one says: planned and seen."""
        for life in reversed(lives):
            arming = life.task.arming
            if arming is not None:
                seen = _state(life)
                last = (seen["last_step"], seen["last_occurrence"])
                return {
                    "step": arming.step,
                    "occurrence": arming.occurrence,
                    "arrivals": seen["arrivals"],
                    "last_step": seen["last_step"],
                    "last_occurrence": seen["last_occurrence"],
                    "is_there": last == (arming.step, arming.occurrence),
                }
        return {"is_there": False, "arrivals": 0, "last_step": None, "last_occurrence": 0}


def _state(life: LiveProcess) -> Mapping[str, Any]:
    from cy_kernels import gate

    return gate.state(life.memory.gate)


def _moment(path: str, role: str) -> str:
    if path in (steps.ATTACH, steps.TAKEOVER):
        return BEFORE_ATTACH
    if path in (steps.END, steps.SHUTDOWN) and role == "writer":
        return BEFORE_END
    return BEFORE_DETACH if path == steps.DETACH else BETWEEN_OPS
