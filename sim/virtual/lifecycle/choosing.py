"""Which of several threads goes on: the schedulers of the simulated machine, for generators.

random, pct:D (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding
bugs", 2010), pos (Yuan, Yang, Gu, "Partial order aware concurrency sampling", 2018, with every step
a conflict), delay:D (Emmi, Qadeer, Rakamaric, "Delay-bounded scheduling", 2011), round_robin.

Option 0 is whoever went last, if that is possible, so a tape of zeros changes the thread only where
one cannot go on.
"""

from __future__ import annotations

from typing import Dict, List, Sequence

from sim.scenario.planning import Dice
from sim.virtual.schedulers import Scheduler

OPTION_MAX = 255  # a tape has a byte for it
PRIORITIES = 2**53


class Chooser:
    """One execution's. `tape` has an option for each choice that was made among several."""

    def __init__(self) -> None:
        self.tape = bytearray()
        self.has_diverged = False

    def choose(self, threads: Sequence[int]) -> int:
        """An index of `threads`, their numbers in the order of the options."""
        if len(threads) == 1:
            return 0
        option = min(self.option(threads[: OPTION_MAX + 1]), OPTION_MAX)
        self.tape.append(option)
        return option

    def option(self, threads: Sequence[int]) -> int:
        raise NotImplementedError


class Replayed(Chooser):
    """By the tape; past its end the default."""

    def __init__(self, tape: bytes) -> None:
        super().__init__()
        self._given = tape

    def option(self, threads: Sequence[int]) -> int:
        at = len(self.tape)
        option = self._given[at] if at < len(self._given) else 0
        if option >= len(threads):
            self.has_diverged = True
            return 0
        return option


class Drawn(Chooser):
    """By dice that depend on the seed alone."""

    def __init__(self, scheduler: Scheduler, seed: int, expected_choices: int) -> None:
        super().__init__()
        self._name = scheduler.name
        self._dice = Dice(seed, str(scheduler), "schedule")
        self._priorities: Dict[int, int] = {}
        changes = scheduler.depth - 1 if self._name == "pct" else scheduler.depth
        self._changes = {self._dice.below(max(expected_choices, 1)) for _ in range(changes)}

    def option(self, threads: Sequence[int]) -> int:
        if self._name == "random":
            return self._dice.below(len(threads))
        if self._name == "round_robin":
            later: List[int] = [each for each in threads if each > threads[0]]
            return threads.index(min(later or threads))
        is_change = len(self.tape) in self._changes
        if self._name == "delay":
            return 1 if is_change else 0
        for each in threads:
            self._priorities.setdefault(each, self._dice.below(PRIORITIES))
        best = max(threads, key=self._priorities.__getitem__)
        if self._name == "pos":
            for each in threads:
                self._priorities[each] = self._dice.below(PRIORITIES)
        elif is_change:
            self._priorities[best] = -1 - len(self.tape)  # below all that went before
        return threads.index(best)
