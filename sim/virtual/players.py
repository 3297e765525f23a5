"""Executions of one plan under one model, again and again: the machine alone, or driven.

Without injections nothing outside the machine decides, and it runs at its full speed. With them
the nemesis acts in between, as in any other run. Which of the two it is follows from the plan, so
a tape is always replayed by the one that made it.
"""

from __future__ import annotations

from itertools import count
from typing import Callable, Iterator, Optional, Tuple

from cy_kernels.explore import Simulation
from sim.scenario.plan import Plan
from sim.virtual.execution import execute
from sim.virtual.program import simulation_of
from sim.virtual.schedulers import Scheduler, measured, parse
from sim.virtual.shrinking import Alike, Played, Player
from sim.virtual.tape import Outcome

SEARCHED_BY = ("random", "pct:3", "pos")
BATCH = 500  # executions of one scheduler, before the next has its turn
AT_ONCE = 250  # of the machine alone, between two looks at the clock
LOOK_EVERY = 64
LONG_STEPS = 10_000  # an execution that is worth a look at the clock of its own

Clock = Callable[[], float]  # seconds


def open_player(plan: Plan, model: str, now_s: Clock) -> Player:
    return (Driven if plan.injections else Alone)(plan, model, now_s)


def played(simulation: Simulation) -> Played:
    """The execution that the simulation holds."""
    outcome = Outcome(simulation.stop, simulation.finding, simulation.steps, simulation.hash)
    return Played(simulation.tape, outcome, simulation.has_diverged)


class Alone:
    """Of a plan without injections."""

    def __init__(self, plan: Plan, model: str, now_s: Clock) -> None:
        self.simulation = simulation_of(plan, model, stops_at_finding=True)
        self._now_s = now_s
        self._searched = 0  # executions; the next search goes on behind them

    def replay(self, choices: bytes) -> Played:
        self.simulation.choose_by("replay", tape=choices)
        return self.execute(0)

    def execute(self, seed: int) -> Played:
        """By the scheduler that the simulation has."""
        self.simulation.begin(seed)
        self.simulation.start()
        self.simulation.go()
        return played(self.simulation)

    def search(self, is_alike: Alike, *, until_s: float) -> Optional[Played]:
        expected = measured(self.simulation, lambda: self.execute(0))
        while self._now_s() < until_s:
            turn = self._searched // BATCH
            scheduler = parse(SEARCHED_BY[turn % len(SEARCHED_BY)])
            scheduler.choose(self.simulation, expected)
            some = min((turn + 1) * BATCH - self._searched, AT_ONCE)
            done, _ = self.simulation.execute_many(self._searched, some)
            self._searched += done
            found = played(self.simulation)
            if is_alike(found):
                return found
        return None

    def fewest(
        self, is_alike: Alike, *, below: int, until_s: float
    ) -> Tuple[Optional[Played], int]:
        found: Optional[Played] = None
        is_late = False
        looks = count(1)

        def ends(simulation: Simulation) -> bool:
            nonlocal found, is_late
            is_long = simulation.steps > LONG_STEPS
            if (next(looks) % LOOK_EVERY == 0 or is_long) and self._now_s() >= until_s:
                is_late = True
                return True
            if simulation.stop == "ended" and simulation.finding is None:
                return False
            each = played(simulation)
            if is_alike(each):
                found = each
            return found is not None

        if below > 0:
            self.simulation.explore_all(
                max_deviations=below - 1, stops_at_first=False, on_execution=ends
            )
        if found is not None:
            found = self.replay(found.choices)  # a search goes on behind what it found
            return found, len(found.choices) - found.choices.count(0)
        return None, 0 if is_late else below


class Driven:
    """Of a plan whose injections act on the processes from outside."""

    def __init__(self, plan: Plan, model: str, now_s: Clock) -> None:
        self.simulation = simulation_of(plan, model, stops_at_finding=True)
        self._plan = plan
        self._model = model
        self._now_s = now_s
        self._searched = 0  # executions; the next search goes on behind them

    def replay(self, choices: bytes) -> Played:
        execute(
            self._plan,
            model=self._model,
            scheduler="replay",
            tape=choices,
            simulation=self.simulation,
        )
        return played(self.simulation)

    def execute(self, scheduler: Scheduler, seed: int) -> Played:
        execute(
            self._plan,
            model=self._model,
            scheduler=str(scheduler),
            seed=seed,
            simulation=self.simulation,
        )
        return played(self.simulation)

    def search(self, is_alike: Alike, *, until_s: float) -> Optional[Played]:
        while self._now_s() < until_s:
            scheduler = parse(SEARCHED_BY[self._searched % len(SEARCHED_BY)])
            found = self.execute(scheduler, self._searched)
            self._searched += 1
            if is_alike(found):
                return found
        return None

    def fewest(
        self, is_alike: Alike, *, below: int, until_s: float
    ) -> Tuple[Optional[Played], int]:
        for deviations in range(below):
            for each in self._with(self.replay(b""), 0, deviations):
                if is_alike(each):
                    return each, deviations
                if self._now_s() >= until_s:
                    return None, deviations
        return None, below

    def _with(self, played_so_far: Played, first: int, deviations: int) -> Iterator[Played]:
        """All executions with that many more deviations, from position `first` on."""
        if deviations == 0:
            yield played_so_far
            return
        choices = played_so_far.choices
        for at in range(len(choices) - 1, first - 1, -1):
            for option in count(1):
                each = self.replay(choices[:at] + bytes([option]))
                if each.has_diverged or option == 255:
                    break
                yield from self._with(each, at + 1, deviations - 1)
