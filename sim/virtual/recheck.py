"""Does the same seed give the same execution? Each is run twice, then replayed from its tape.

What differs is a defect of spinbed, never of the system under test: something that is neither the
program nor on the tape decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Callable, List, Optional, Tuple

from cy_kernels.explore import STEPS, Simulation
from sim.virtual.schedulers import Scheduler

Line = Tuple[str, int, int, int, int, int, int, int]  # of Simulation.trace()

STEP_NAMES = dict(STEPS)


@dataclass(frozen=True)
class Mismatch:
    """The first step in which two executions differ that should be the same."""

    seed: int
    again: str  # "the same seed" or "its tape"
    step: int  # 0-based line of both traces
    first: Optional[Line]  # None: it had ended
    second: Optional[Line]

    def __str__(self) -> str:
        return (
            f"seed {self.seed} run twice differs (second time by {self.again}): line {self.step}"
            f" is {shown(self.first)}, then {shown(self.second)}; this is a bug of spinbed"
        )


class Unexplained(Exception):
    """Two executions differ, and no more so once they are traced."""


def shown(line: Optional[Line]) -> str:
    if line is None:
        return "nothing"
    event, process, site, offset, value = line[:5]
    name = STEP_NAMES.get(site, "-")
    return f"{event} by process {process} at {name}, offset {offset}, value {value}"


def recheck(
    simulation: Simulation,
    scheduler: Scheduler,
    seed: int,
    execute: Callable[[int], object],
    *,
    expected_choices: int = 0,
) -> Optional[Mismatch]:
    """Run `execute(seed)` three times, twice by the scheduler and once by the tape; None: all are
    the same. `execute` begins the execution, drives it to its end and acts on it at triggers.
    The first execution is what the simulation holds afterwards. Raises Unexplained."""

    def by_scheduler() -> None:
        scheduler.choose(simulation, expected_choices)
        execute(seed)

    def by_tape() -> None:
        simulation.choose_by("replay", tape=tape)
        execute(seed)

    by_scheduler()
    hash, tape = simulation.hash, simulation.tape
    for again, run in (("the same seed", by_scheduler), ("its tape", by_tape)):
        run()
        if simulation.hash != hash or simulation.has_diverged:
            return _compared(simulation, seed, again, by_scheduler, run)
    return None


def _compared(
    simulation: Simulation,
    seed: int,
    again: str,
    first: Callable[[], None],
    second: Callable[[], None],
) -> Mismatch:
    traces: List[List[Line]] = []
    simulation.limit(traces=True)
    for run in (first, second):
        run()
        traces.append(simulation.trace())
    simulation.limit(traces=False)
    for step, (one, other) in enumerate(zip_longest(*traces)):
        if one != other:
            return Mismatch(seed, again, step, one, other)
    raise Unexplained(f"seed {seed}: two executions differed, but no more so when traced")
