"""Executions of one plan, one model and one scheduler, seed after seed, and what they covered."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, FrozenSet, Iterable, Optional, Tuple

from sim.scenario.plan import Plan
from sim.virtual.players import Alone, Driven, played
from sim.virtual.schedulers import Scheduler, measured
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
    failures: Counter[str] = field(default_factory=Counter)
    first: Optional[Tuple[int, Played]] = None  # seed, and the first that failed

    def add(self, other: Found) -> None:
        """What comes behind it in order."""
        self.executions += other.executions
        self.steps += other.steps
        self.failures += other.failures
        self.first = self.first or other.first


@dataclass(frozen=True)
class Coverage:
    sketch: bytes = b""
    reads_from: FrozenSet[Tuple[int, int]] = frozenset()

    def joined(self, other: Coverage) -> Coverage:
        if not self.sketch or not other.sketch:
            sketch = self.sketch or other.sketch
        else:
            sketch = bytes(map(max, self.sketch, other.sketch))
        return Coverage(sketch, self.reads_from | other.reads_from)

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


class Explorer:
    """Of one thread; an execution is a function of the combination and its seed alone."""

    def __init__(self, combination: Combination, now_s: Callable[[], float]) -> None:
        plan, model = combination.plan, combination.model
        self._scheduler = combination.scheduler
        self._alone = None if plan.injections else Alone(plan, model, now_s)
        self._driven = Driven(plan, model, now_s) if plan.injections else None
        self._simulation = (self._alone or self._driven).simulation  # type: ignore[union-attr]
        if self._alone is not None:
            alone = self._alone
            expected = measured(self._simulation, lambda: alone.execute(0))
            self._scheduler.choose(self._simulation, expected)
        self._simulation.count_states()

    @property
    def coverage(self) -> Coverage:
        return Coverage(self._simulation.sketch, frozenset(self._simulation.reads_from))

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
            done, steps, last = self._some(at, count)
            per_execution = max(1, steps // done)
            found.executions += done
            found.steps += steps
            failure = last.outcome.failure if last is not None else None
            if last is not None and failure is not None:
                found.failures[failure] += 1
                found.first = found.first or ((at + done - 1) % SEEDS, last)
            at += done
        return found, True

    def _some(self, first: int, count: int) -> Tuple[int, int, Optional[Played]]:
        """Executions made, up to the first that did not end well; their steps; that one."""
        if self._driven is not None:
            each = self._driven.execute(self._scheduler, first % SEEDS)
            return 1, each.outcome.steps, each
        done, steps = self._simulation.execute_many(first % SEEDS, count)
        if self._simulation.stop == "ended" and self._simulation.finding is None:
            return done, steps, None
        return done, steps, played(self._simulation)


def union(covered: Iterable[Coverage]) -> Coverage:
    joined = Coverage()
    for each in covered:
        joined = joined.joined(each)
    return joined


def shard_of(chunk: int, shards: int) -> int:
    """Which of the shards, from 1, makes that chunk of executions."""
    return chunk % shards + 1


def chunks(executions: Optional[int], size: int) -> Iterable[Tuple[int, range]]:
    """Their number and the numbers of their executions; without end where there is none."""
    chunk = 0
    while executions is None or chunk * size < executions:
        start = chunk * size
        stop = start + size if executions is None else min(start + size, executions)
        yield chunk, range(start, stop)
        chunk += 1
