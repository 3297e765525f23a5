"""Executions of one plan under one model, again and again: the machine alone, or driven.

Without injections nothing outside the machine decides, and it runs at its full speed. With them
the nemesis acts in between, as in any other run. Which of the two it is follows from the plan, so
a tape is always replayed by the one that made it.
"""

from __future__ import annotations

from itertools import count
from typing import Callable, Iterator, Optional, Tuple, Union

from cy_kernels.explore import Simulation
from sim.abc import INVALID
from sim.checkers import CHECKERS
from sim.nemesis import provoke
from sim.scenario.plan import Plan
from sim.virtual.execution import DEFAULT_STEPS_MAX, STEPS_FACTOR, STEPS_LEAST
from sim.virtual.program import simulation_of
from sim.virtual.schedulers import Scheduler, parse
from sim.virtual.shrinking import Alike, Played, Player
from sim.virtual.tape import Outcome
from sim.virtual.world import REPLAY, VirtualWorld

FAIR = parse("round_robin")
SEARCHED_BY = ("random", "pct:3", "pos")
BATCH = 500  # executions of one scheduler, before the next has its turn
AT_ONCE = 250  # of the machine alone, between two looks at the clock
LOOK_EVERY = 64
LONG_STEPS = 10_000  # an execution that is worth a look at the clock of its own

# How the nemesis's run was cut short -> as the machine says it.
STOPS = {"hang": "stuck", "deadline": "in_time", "steps": "out_of_steps", "found": "found"}

Clock = Callable[[], float]  # seconds


def open_player(plan: Plan, model: str, now_s: Clock) -> Player:
    return (Driven if plan.injections else Alone)(plan, model, now_s)


def played(simulation: Simulation) -> Played:
    """The execution that the simulation holds."""
    outcome = Outcome(simulation.stop, simulation.finding, simulation.steps, simulation.hash)
    return Played(simulation.tape, outcome, simulation.has_diverged)


def _measured(player: Union[Alone, Driven]) -> int:
    """The choices of its default schedule, from which its executions get their most steps; where
    that one has no end, from round robin. A function of plan and model alone, so that a tape ends
    where it did."""
    player.expected_choices = 0
    player.simulation.limit(steps=DEFAULT_STEPS_MAX)
    made = player.replay(b"")
    if made.outcome.stop == "out_of_steps":
        made = player.execute(FAIR, 0)
    player.simulation.limit(steps=max(STEPS_LEAST, STEPS_FACTOR * made.outcome.steps))
    return max(len(made.choices), 1)


class Alone:
    """Of a plan without injections."""

    def __init__(self, plan: Plan, model: str, now_s: Clock) -> None:
        self.simulation = simulation_of(plan, model, stops_at_finding=True)
        self._now_s = now_s
        self._searched = 0  # executions; the next search goes on behind them
        self.expected_choices = _measured(self)

    def replay(self, choices: bytes) -> Played:
        self.simulation.choose_by(REPLAY, tape=choices)
        return self._executed(0)

    def execute(self, scheduler: Scheduler, seed: int) -> Played:
        scheduler.choose(self.simulation, self.expected_choices)
        return self._executed(seed)

    def _executed(self, seed: int) -> Played:
        self.simulation.begin(seed)
        self.simulation.start()
        self.simulation.go()
        return played(self.simulation)

    def search(self, is_alike: Alike, *, until_s: float) -> Optional[Played]:
        while self._now_s() < until_s:
            turn = self._searched // BATCH
            scheduler = parse(SEARCHED_BY[turn % len(SEARCHED_BY)])
            scheduler.choose(self.simulation, self.expected_choices)
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
        self._now_s = now_s
        self._searched = 0  # executions; the next search goes on behind them
        self.expected_choices = _measured(self)

    def replay(self, choices: bytes) -> Played:
        return self._played(REPLAY, 0, choices, 0)

    def execute(self, scheduler: Scheduler, seed: int) -> Played:
        return self._played(str(scheduler), seed, b"", self.expected_choices)

    def _played(self, scheduler: str, seed: int, tape: bytes, expected_choices: int) -> Played:
        machine = self.simulation
        world = VirtualWorld(
            self._plan,
            scheduler=scheduler,
            seed=seed,
            tape=tape,
            expected_choices=expected_choices,
            simulation=machine,
        )
        provoke(world, self._plan.injections)
        outcome = Outcome(_stop(world), machine.finding, machine.steps, machine.hash)
        return Played(machine.tape, outcome, machine.has_diverged)

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


def _stop(world: VirtualWorld) -> str:
    """How the run ended. A standstill is none of its defects where the checker of liveness sees
    that a fault explains it, such as a death in a ring that knows no owner."""
    cut_short = world.ended_by
    if cut_short is None:
        return "ended"
    if cut_short != "found" and CHECKERS["liveness"].check(world.finish()).result != INVALID:
        return "ended"
    return STOPS[cut_short]
