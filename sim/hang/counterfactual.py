"""A stopped simulated execution, made again to be changed: what would move if something else did.

Every question is asked of a re-execution of the same tape, so no answer disturbs the execution that
is asked about, nor the next question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set

if TYPE_CHECKING:
    from cy_kernels.explore import Simulation

Bring = Callable[[], "Simulation"]
Evidence = Dict[str, Any]

OVER = ("absent", "done", "dead")


class Cycle(NamedTuple):
    steps: int
    changes_memory: bool


class Trial:
    """One re-execution up to where the execution stopped, and what it does when it goes on."""

    def __init__(self, bring: Bring, steps_max: int) -> None:
        self.simulation = bring()
        self.steps_max = steps_max
        self.before = self.simulation.evidence()
        self.simulation.limit(stops_at_finding=False)

    def free(self, processes: Iterable[int]) -> None:
        """The stopped go on, the dead live on."""
        for index in processes:
            if self.before[index]["state"] == "dead":
                self.simulation.revive(index)
            self.simulation.release(index)
            self.simulation.resume(index)

    def leave_only(self, processes: Iterable[int]) -> None:
        """All others stand still."""
        moving = set(processes)
        for index in range(len(self.before)):
            if index not in moving:
                self.simulation.pause(index)

    def go(self, scheduler: str = "random", steps: Optional[int] = None) -> str:
        """Go on fairly; triggers that are met on the way let go again."""
        simulation = self.simulation
        simulation.choose_by(scheduler)
        steps_max = self.steps_max if steps is None else steps
        simulation.limit(steps=simulation.steps + steps_max)
        while simulation.go() == "reached":
            simulation.release(simulation.reached)
        return simulation.stop

    def progressed(self) -> Set[int]:
        """Who has come further than it was."""
        return {
            index
            for index, (was, now) in enumerate(zip(self.before, self.simulation.evidence()))
            if has_progressed(was, now)
        }

    def changes_memory(self, steps: int) -> bool:
        """Whether any value in memory changes within so many steps."""
        values = self.simulation.values()
        for _ in range(steps):
            self.go(steps=1)
            if self.simulation.values() != values:
                return True
        return False


def has_progressed(was: Evidence, now: Evidence) -> bool:
    if now["state"] == "done":
        return was["state"] != "done"
    return bool(now["progress"] > was["progress"])


def cycle_of(bring: Bring, steps_max: int) -> Optional[Cycle]:
    """A way to go on that gives everybody a step in turn, comes back to the very same state and
    lets nobody get further: it can go on like that for ever. None: none was found."""
    trial = Trial(bring, steps_max)
    simulation = trial.simulation
    round_steps = 2 * len(trial.before)  # each process and each store buffer once
    seen: List[int] = []
    while len(seen) * round_steps < steps_max:
        stop = trial.go("round_robin", steps=round_steps)
        state = simulation.state_of_programs()
        if stop != "out_of_steps" or state is None or trial.progressed():
            return None
        if state in seen:
            steps = (len(seen) - seen.index(state)) * round_steps
            return Cycle(steps, changes_in_turn(trial, steps))
        seen.append(state)
    return None


def changes_in_turn(trial: Trial, steps: int) -> bool:
    values = trial.simulation.values()
    for _ in range(steps):
        trial.go("round_robin", steps=1)
        if trial.simulation.values() != values:
            return True
    return False
