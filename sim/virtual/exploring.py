"""Executions of one plan, one model and one scheduler, seed after seed, and what they covered."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, FrozenSet, Iterable, Optional, Tuple, Union

from sim.scenario.plan import Plan
from sim.virtual.judging import ONE_IN, contradiction
from sim.virtual.lifecycle.player import ProgramsPlayer
from sim.virtual.lifecycle.world import Tell, of_no_class
from sim.virtual.players import Alone, Driven, played
from sim.virtual.schedulers import Scheduler
from sim.virtual.shrinking import Played

STEPS_AT_ONCE = 2_000_000  # between two looks whether to go on; a tenth of a second
SEEDS = 2**64


@dataclass(frozen=True, eq=False)  # a plan holds tables, which have no hash
class Combination:
    plan: Plan
    model: str
    scheduler: Scheduler

    def seed(self, seed: int, number: int) -> int:
        """Of its execution of that number, where `seed` is the exploration's."""
        facts = f"{seed}\0{self.plan.name}\0{self.model}\0{self.scheduler}"
        first = int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "big")
        return (first + number) % SEEDS


@dataclass
class Found:
    """What some executions of a combination came to."""

    executions: int = 0
    steps: int = 0
    checked: int = 0  # by the checkers too
    failures: Counter[str] = field(default_factory=Counter)
    first: Optional[Tuple[int, Played]] = None  # seed, and the first that failed

    def add(self, other: Found) -> None:
        """What comes behind it in order."""
        self.executions += other.executions
        self.steps += other.steps
        self.checked += other.checked
        self.failures += other.failures
        self.first = self.first or other.first


@dataclass(frozen=True)
class Coverage:
    sketch: bytes = b""
    reads_from: FrozenSet[Tuple[int, int]] = frozenset()
    sites: FrozenSet[int] = frozenset()  # that a process came to
    outcomes: FrozenSet[Tuple[int, int, int]] = frozenset()  # as Simulation.outcomes

    def joined(self, other: Coverage) -> Coverage:
        if not self.sketch or not other.sketch:
            sketch = self.sketch or other.sketch
        else:
            sketch = bytes(map(max, self.sketch, other.sketch))
        return Coverage(
            sketch,
            self.reads_from | other.reads_from,
            self.sites | other.sites,
            self.outcomes | other.outcomes,
        )

    @property
    def states(self) -> int:
        """About how many distinct ones, from the sketch: Flajolet, Fusy, Gandouet, Meunier,
        "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007)."""
        size = len(self.sketch)
        if not size:
            return 0
        empty = self.sketch.count(0)
        estimate = 0.7213 / (1 + 1.079 / size) * size**2 / sum(2.0**-rank for rank in self.sketch)
        if estimate <= 2.5 * size and empty:
            return round(size * math.log(size / empty))
        return round(estimate)


class Disagreement(Exception):
    """The oracles and the checkers contradict each other: a defect of spinbed."""

    def __init__(self, why: str, combination: Combination, seed: int, played: Played) -> None:
        super().__init__(why)
        self.combination = combination
        self.seed = seed
        self.played = played


class Explorer:
    """Of one thread; an execution is a function of the combination and its seed alone."""

    def __init__(
        self, combination: Combination, now_s: Callable[[], float], tell: Tell = of_no_class
    ) -> None:
        """`tell` says why programs hang."""
        self._searched: Union[_Rings, _Programs] = (
            _Programs(combination, tell)
            if combination.plan.is_of_programs
            else _Rings(combination, now_s)
        )

    @property
    def coverage(self) -> Coverage:
        return self._searched.coverage

    def explore(
        self, seeds: range, *, counts_all: bool, is_over: Callable[[], bool]
    ) -> Tuple[Found, bool]:
        """What these came to, and whether all were made: with the first failure it ends, unless
        all are to be counted."""
        found = Found()
        at = seeds.start
        per_execution = 1000
        while at < seeds.stop:
            if is_over() or (found.first is not None and not counts_all):
                return found, found.first is not None and not counts_all
            count = min(seeds.stop - at, max(1, STEPS_AT_ONCE // per_execution))
            done, steps, last = self._searched.some(at, count)
            per_execution = max(1, steps // done)
            found.executions += done
            found.steps += steps
            found.checked += last is not None
            failure = last.outcome.failure if last is not None else None
            if last is not None and failure is not None:
                found.failures[failure] += 1
                found.first = found.first or ((at + done - 1) % SEEDS, last)
            at += done
        return found, True


class _Programs:
    """Models of programs. The checkers judge every execution; no machine watches memory."""

    coverage = Coverage()

    def __init__(self, combination: Combination, tell: Tell) -> None:
        self._scheduler = combination.scheduler
        self._player = ProgramsPlayer(combination.plan, tell)

    def some(self, first: int, count: int) -> Tuple[int, int, Optional[Played]]:
        """One, its steps, and what it came to."""
        last = self._player.execute(self._scheduler, first % SEEDS)
        return 1, last.outcome.steps, last


class _Rings:
    def __init__(self, combination: Combination, now_s: Callable[[], float]) -> None:
        self._combination = combination
        self._plan = combination.plan
        self._scheduler = combination.scheduler
        make = Driven if self._plan.injections else Alone
        self._player: Union[Alone, Driven] = make(self._plan, combination.model, now_s)
        self._simulation = self._player.simulation
        self._simulation.count_states()
        self._choose()

    @property
    def coverage(self) -> Coverage:
        made = self._simulation
        return Coverage(
            made.sketch,
            frozenset(made.reads_from),
            frozenset(made.visited),
            frozenset(made.outcomes),
        )

    def some(self, first: int, count: int) -> Tuple[int, int, Optional[Played]]:
        """Executions made, up to the first that the checkers judge too; their steps; that one.

        They judge each that did not end well, and one in a thousand. Raises Disagreement.
        """
        to_judged = -(first % SEEDS) % ONE_IN
        if isinstance(self._player, Driven):
            last = self._player.execute(self._scheduler, first % SEEDS)
            done, steps = 1, last.outcome.steps
        else:
            done, steps = self._simulation.execute_many(first % SEEDS, min(count, to_judged + 1))
            last = played(self._simulation)
        if last.outcome.failure is None and done <= to_judged:
            return done, steps, None
        why = contradiction(self._plan, last, self._simulation)
        if why is not None:
            seed = (first + done - 1) % SEEDS
            raise Disagreement(why, self._combination, seed, last)
        self._choose()
        return done, steps, last

    def _choose(self) -> None:
        self._scheduler.choose(self._simulation, self._player.expected_choices)


def union(covered: Iterable[Coverage]) -> Coverage:
    joined = Coverage()
    for each in covered:
        joined = joined.joined(each)
    return joined


def shard_of(chunk: int, shards: int) -> int:
    """Which of the shards, from 1, makes that chunk of executions."""
    return chunk % shards + 1


def chunks(executions: Optional[int], size: int) -> Iterable[range]:
    """The numbers of their executions; without end where `executions` is None."""
    start = 0
    while executions is None or start < executions:
        stop = start + size if executions is None else min(start + size, executions)
        yield range(start, stop)
        start = stop
