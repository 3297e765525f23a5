"""From a failing execution to the smallest one that fails alike.

First the plan: fewer faults, readers, messages and bytes, for as long as the failure is found on
the smaller plan too, by the same choices or by a new search. Then the choices. The default
schedule is a tape of zeros, so an execution is told by its deviations from it; these are dropped,
moved and lowered one group at a time, and where that comes to rest all tapes with fewer
deviations are tried, so that the result is a minimum wherever the time sufficed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Generator, Iterator, List, Optional, Protocol, Set, Tuple

from cy_kernels.explore import Simulation
from sim.scenario.plan import Plan
from sim.virtual.reduction import Reduction, smaller, with_another_reader
from sim.virtual.tape import OPTION_MAX, Outcome

FEW_DEVIATIONS = 5  # with more, a plan with more processes is tried too
REWRITTEN_MAX = 2  # deviations at once
SHIFTS = tuple(range(-8, 0)) + tuple(range(1, 9))
STUCK = "stuck"
PLAN_SHARE = 0.3  # of the time, at most, goes into the plan


@dataclass(frozen=True)
class Played:
    """An execution: what it came to, and the choices that it really made."""

    choices: bytes
    outcome: Outcome
    has_diverged: bool  # the tape named an option that was not there


Alike = Callable[[Played], bool]  # whether it fails as the one to be shrunk does
HangOf = Callable[[Plan, bytes], Optional[str]]  # the class of the hang that a tape ends in


class Player(Protocol):
    """Executions of one plan under one model."""

    @property
    def simulation(self) -> Simulation:
        """That holds the last of them."""

    def replay(self, choices: bytes) -> Played:
        """Past the end of the choices the default is chosen."""

    def search(self, is_alike: Alike, *, until_s: float) -> Optional[Played]:
        """A failure of that kind, if one comes up before that time."""

    def fewest(
        self, is_alike: Alike, *, below: int, until_s: float
    ) -> Tuple[Optional[Played], int]:
        """One with the fewest deviations, fewer than `below`; and how many were ruled out: no
        execution with fewer than that fails alike."""


@dataclass(frozen=True)
class Shrunk:
    reduction: Reduction
    played: Played
    is_least: bool  # no execution of this plan with fewer deviations fails alike
    executions: int

    @property
    def deviations(self) -> int:
        return _weight(self.played.choices)[0]


@dataclass(frozen=True)
class Failure:
    """What every smaller execution has to come to as well. A hang has to be of the same class."""

    outcome: Outcome
    hang: Optional[str]
    hang_of: HangOf

    @classmethod
    def of(cls, plan: Plan, played: Played, hang_of: HangOf) -> Failure:
        hang = hang_of(plan, played.choices) if played.outcome.failure == STUCK else None
        return cls(played.outcome, hang, hang_of)

    def on(self, plan: Plan) -> Alike:
        def is_alike(played: Played) -> bool:
            if played.outcome.failure != self.outcome.failure:
                return False
            return self.hang is None or self.hang_of(plan, played.choices) == self.hang

        return is_alike


def shrink(
    plan: Plan,
    start: Reduction,
    played: Played,
    *,
    open_player: Callable[[Plan], Player],
    hang_of: HangOf,
    now_s: Callable[[], float],
    budget_s: float,
) -> Shrunk:
    """`plan` is the whole one, `played` an execution of it less `start`, which fails."""
    assert played.outcome.failure is not None
    failure = Failure.of(start.applied_to(plan), played, hang_of)
    began_s = now_s()
    ends_s = began_s + budget_s
    reduction, played = _least_plan(
        plan, start, played, failure, open_player, now_s, began_s + PLAN_SHARE * budget_s
    )
    best: Optional[Shrunk] = None
    while True:
        small = reduction.applied_to(plan)
        larger = with_another_reader(plan, reduction)
        until_s = ends_s if larger is None else (now_s() + ends_s) / 2
        search = _Search(open_player(small), failure.on(small), now_s, until_s)
        least, is_least = search.least(played)
        result = Shrunk(reduction, least, is_least, search.executions)
        if best is None or result.deviations < best.deviations:
            best = result
        if best.deviations <= FEW_DEVIATIONS or larger is None:
            return best
        small = larger.applied_to(plan)
        again = _found_on(open_player(small), best.played, failure.on(small), now_s, ends_s)
        if again is None:
            return best
        reduction, played = larger, again


def _least_plan(
    plan: Plan,
    start: Reduction,
    played: Played,
    failure: Failure,
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
            small = candidate.applied_to(plan)
            again = _found_on(open_player(small), found, failure.on(small), now_s, until_s)
            if again is not None:
                best, found, is_new = candidate, again, True
                break
    return best, found


SEARCH_S = 0.4  # for one smaller plan


def _found_on(
    player: Player, found: Played, is_alike: Alike, now_s: Callable[[], float], until_s: float
) -> Optional[Played]:
    again = player.replay(found.choices)
    if is_alike(again):
        return again
    return player.search(is_alike, until_s=min(until_s, now_s() + SEARCH_S))


def _weight(choices: bytes) -> Tuple[int, int, int]:
    """What is to be small: deviations, then length, then the options."""
    kept = choices.rstrip(b"\0")
    return len(kept) - kept.count(0), len(kept), sum(kept)


class _Search:
    """For the fewest deviations: what is known is trimmed, then all with fewer are tried. Where
    they are too many, other failures are trimmed too: each comes to rest elsewhere."""

    def __init__(
        self, player: Player, is_alike: Alike, now_s: Callable[[], float], ends_s: float
    ) -> None:
        self._player = player
        self._is_alike = is_alike
        self._now_s = now_s
        self._ends_s = ends_s
        self.executions = 0

    def least(self, played: Played) -> Tuple[Played, bool]:
        best, is_least = self._settled(self._trimmed(played), self._within(0.3))
        if is_least:
            return best, True
        until_s = self._within(0.3)
        while self._now_s() < until_s:
            other = self._player.search(self._is_alike, until_s=until_s)
            if other is not None:
                best = min(best, self._trimmed(other), key=lambda each: _weight(each.choices))
        best = self._trimmed(best, until_s=self._within(0.7), rewrites=True)
        return self._settled(best, self._ends_s)

    def _within(self, share: float) -> float:
        return self._ends_s - (1 - share) * (self._ends_s - self._now_s())

    def _settled(self, best: Played, until_s: float) -> Tuple[Played, bool]:
        """Whether no execution with fewer deviations fails alike, if there is the time to know."""
        below = _weight(best.choices)[0]
        least, ruled_out = self._player.fewest(self._is_alike, below=below, until_s=until_s)
        if least is not None:
            best = self._trimmed(least)
        return best, ruled_out >= _weight(best.choices)[0]

    def _trimmed(
        self, played: Played, *, until_s: Optional[float] = None, rewrites: bool = False
    ) -> Played:
        ends_s = self._ends_s if until_s is None else until_s
        trim = _Trim(self._player, self._is_alike, played, lambda: self._now_s() < ends_s)
        trim.run(rewrites=rewrites)
        self.executions += trim.executions
        return trim.best


class _Trim:
    """Local search: each attempt is kept if it fails alike and weighs less."""

    def __init__(
        self, player: Player, is_alike: Alike, played: Played, has_time: Callable[[], bool]
    ) -> None:
        self._player = player
        self._is_alike = is_alike
        self._has_time = has_time
        self.best = self._last = played
        self.executions = 0

    def run(self, *, rewrites: bool) -> None:
        before = None
        while before != self.best.choices and self._has_time():
            before = self.best.choices
            for moves in (self._dropped, self._cut_out, self._moved, self._lowered):
                self._take(moves)
            if rewrites and before == self.best.choices:
                self._take(self._rewritten)

    def _take(self, moves: Callable[[], Iterator[bytes]]) -> None:
        """Every attempt is made from the best so far: the moves look at it anew each time."""
        for candidate in moves():
            if not self._has_time():
                return
            if _weight(candidate) >= _weight(self.best.choices):
                continue
            self.executions += 1
            played = self._last = self._player.replay(candidate.rstrip(b"\0"))
            is_less = _weight(played.choices) < _weight(self.best.choices)
            if is_less and self._is_alike(played):
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

    def _rewritten(self) -> Iterator[bytes]:
        """The first deviations stay, and few others follow instead of those that did."""
        best, positions = self.best, self._positions()
        for kept in range(len(positions)):
            first = best.choices[: positions[kept - 1] + 1] if kept else b""
            yield from self._followed(first, min(REWRITTEN_MAX, len(positions) - kept - 1))
            if self.best is not best:
                return

    def _followed(self, choices: bytes, more: int) -> Generator[bytes, None, bool]:
        """By up to so many deviations, anywhere. Whether its last option is there at all."""
        best = self.best
        yield choices
        came_to = self._last
        if came_to.has_diverged:
            return False
        for at in range(len(choices), len(came_to.choices) if more else 0):
            for option in range(1, OPTION_MAX + 1):
                behind = choices + bytes(at - len(choices)) + bytes([option])
                is_there = yield from self._followed(behind, more - 1)
                if self.best is not best:
                    return True
                if not is_there:
                    break
        return True
