"""Who chooses in a simulated execution, written as on the command line: "random", "pct:3"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from cy_kernels.explore import Simulation
from sim.scenario.schedulers import DEPTH_MAX as DEPTH_MAX
from sim.scenario.schedulers import SCHEDULERS as SCHEDULERS
from sim.scenario.schedulers import BadScheduler as BadScheduler
from sim.scenario.schedulers import parsed


@dataclass(frozen=True)
class Scheduler:
    """One of SCHEDULERS and its depth (0 where it has none)."""

    name: str
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.depth}" if self.depth else self.name

    @property
    def has_dice(self) -> bool:
        """Whether another seed can give another execution."""
        return self.name != "round_robin"

    def choose(self, simulation: Simulation, expected_choices: int = 0) -> None:
        """Let it choose from the next execution on. `expected_choices`: see `measured`."""
        simulation.choose_by(self.name, depth=max(self.depth, 1), expected_choices=expected_choices)


def parse(text: str) -> Scheduler:
    """The scheduler that is written so. Raises BadScheduler."""
    return Scheduler(*parsed(text))


def measured(simulation: Simulation, execute: Callable[[], object]) -> int:
    """The choices that one execution by the default schedule makes: what pct and delay spread
    their changes over. `execute` runs one; the simulation replays nothing afterwards."""
    simulation.choose_by("replay", tape=b"")
    execute()
    return max(len(simulation.tape), 1)
