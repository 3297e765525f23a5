"""From a failing execution to the smallest one that fails alike.

First the plan: fewer faults, readers, messages and bytes, for as long as the failure is found on
the smaller plan too, by the same choices or by a new search. Then the choices. The default
schedule is a tape of zeros, so an execution is told by its deviations from it; these are dropped,
moved and lowered one group at a time, and where that comes to rest all tapes with fewer
deviations are tried, so that the result is a minimum wherever the time sufficed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Protocol, Set, Tuple

from cy_kernels.explore import Simulation
from sim.scenario.plan import Plan
from sim.virtual.reduction import Reduction, smaller
from sim.virtual.tape import Outcome

SHIFTS = tuple(range(-8, 0)) + tuple(range(1, 9))
PLAN_SHARE = 0.5  # of the time, at most, goes into the plan


@dataclass(frozen=True)
class Played:
    """An execution: what it came to, and the choices that it really made."""

    choices: bytes
    outcome: Outcome
    has_diverged: bool  # the tape named an option that was not there


class Player(Protocol):
    """Executions of one plan under one model."""

    @property
    def simulation(self) -> Simulation:
        """That holds the last of them."""

    def replay(self, choices: bytes) -> Played:
        """Past the end of the choices the default is chosen."""

    def search(self, failure: str, *, until_s: float) -> Optional[Played]:
        """A failure of that kind, if one comes up before that time."""

    def fewest(self, failure: str, *, below: int, until_s: float) -> Tuple[Optional[Played], int]:
        """One with the fewest deviations, fewer than `below`; and how many were ruled out: no
        execution with fewer than that fails alike."""


@dataclass(frozen=True)
class Shrunk:
    reduction: Reduction
    played: Played
    is_least: bool  # no execution of this plan with fewer deviations fails alike
    executions: int


def shrink(
    plan: Plan,
    start: Reduction,
    played: Played,
    *,
    open_player: Callable[[Plan], Player],
    now_s: Callable[[], float],
    budget_s: float,
) -> Shrunk:
    """`plan` is the whole one, `played` an execution of it less `start`, which fails."""
    failure = played.outcome.failure
    assert failure is not None
    began_s = now_s()
    reduction, played = _least_plan(
        plan, start, played, failure, open_player, now_s, began_s + PLAN_SHARE * budget_s
    )
    player = open_player(reduction.applied_to(plan))
    ends_s = began_s + budget_s
    trim = _Trim(player, failure, played, lambda: now_s() < ends_s)
    trim.run()
    least, ruled_out = player.fewest(failure, below=_weight(trim.best.choices)[0], until_s=ends_s)
    if least is not None:
        trim.best = least
        trim.run()
    deviations = _weight(trim.best.choices)[0]
    return Shrunk(reduction, trim.best, ruled_out >= deviations, trim.executions)


def _least_plan(
    plan: Plan,
    start: Reduction,
    played: Played,
    failure: str,
    open_player: Callable[[Plan], Player],
    now_s: Callable[[], float],
    until_s: float,
) -> Tuple[Reduction, Played]:
    best, found = start, played
    tried: Set[Reduction] = {best}
    is_new = True
    while is_new:
        is_new = False
        for candidate in smaller(plan, best):
            if candidate in tried or now_s() >= until_s:
                continue
            tried.add(candidate)
            again = _found_on(
                open_player(candidate.applied_to(plan)), found, failure, now_s, until_s
            )
            if again is not None:
                best, found, is_new = candidate, again, True
                break
    return best, found


SEARCH_S = 0.4  # for one smaller plan


def _found_on(
    player: Player, found: Played, failure: str, now_s: Callable[[], float], until_s: float
) -> Optional[Played]:
    again = player.replay(found.choices)
    if again.outcome.failure == failure:
        return again
    return player.search(failure, until_s=min(until_s, now_s() + SEARCH_S))


def _weight(choices: bytes) -> Tuple[int, int, int]:
    """What is to be small: deviations, then length, then the options."""
    kept = choices.rstrip(b"\0")
    return len(kept) - kept.count(0), len(kept), sum(kept)


class _Trim:
    """Local search: each attempt is kept if it fails alike and weighs less."""

    def __init__(
        self, player: Player, failure: str, played: Played, has_time: Callable[[], bool]
    ) -> None:
        self._player = player
        self._failure = failure
        self._has_time = has_time
        self.best = played
        self.executions = 0

    def run(self) -> None:
        before = None
        while before != self.best.choices and self._has_time():
            before = self.best.choices
            for moves in (self._dropped, self._cut_out, self._moved, self._lowered):
                self._take(moves)

    def _take(self, moves: Callable[[], Iterator[bytes]]) -> None:
        """Every attempt is made from the best so far: the moves look at it anew each time."""
        for candidate in moves():
            if not self._has_time():
                return
            if _weight(candidate) >= _weight(self.best.choices):
                continue
            self.executions += 1
            played = self._player.replay(candidate.rstrip(b"\0"))
            is_alike = played.outcome.failure == self._failure
            if is_alike and _weight(played.choices) < _weight(self.best.choices):
                self.best = played

    def _positions(self) -> List[int]:
        return [at for at, option in enumerate(self.best.choices) if option]

    def _dropped(self) -> Iterator[bytes]:
        """Groups of deviations become the default; half of all, a quarter, ... each."""
        size = len(self._positions())
        while size:
            first = 0
            while first < len(self._positions()):
                best = self.best.choices
                candidate = bytearray(best)
                for at in self._positions()[first : first + size]:
                    candidate[at] = 0
                yield bytes(candidate)
                if self.best.choices is best:
                    first += size
            size //= 2

    def _cut_out(self) -> Iterator[bytes]:
        """What follows a gap moves up: the steps in between were not needed."""
        for size in (16, 8, 4, 2, 1):
            at = 0
            while at < len(self.best.choices.rstrip(b"\0")):
                best = self.best.choices
                yield best[:at] + best[at + size :]
                if self.best.choices is best:
                    at += max(1, size // 2)

    def _moved(self) -> Iterator[bytes]:
        """One deviation goes, and those after it shift to where their steps have gone."""
        index = 0
        while index < len(self._positions()):
            best = self.best.choices
            at = self._positions()[index]
            for shift in SHIFTS:
                if shift > 0:
                    yield best[:at] + bytes(1 + shift) + best[at + 1 :]
                else:
                    yield best[: max(0, at + 1 + shift)] + best[at + 1 :]
                if self.best.choices is not best:
                    break
            else:
                index += 1

    def _lowered(self) -> Iterator[bytes]:
        for at in self._positions():
            for option in range(1, self.best.choices[at] if at < len(self.best.choices) else 0):
                candidate = bytearray(self.best.choices)
                candidate[at] = option
                yield bytes(candidate)
