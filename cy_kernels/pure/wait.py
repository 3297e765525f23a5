"""How a pure waiter spends the time between polls: spinning, yielding, or naps that grow.

The ring polls its own condition, and calls `Waiter.round` between polls. Each strategy has the
nearest form that plain Python can give: there is no PAUSE instruction, so pause is busy_spin; there
is none that watches memory either, and a waiter that raises its flag and sleeps without limit needs
a proof that every waker sees it, and naps need none: so all others that give up the core are
backoff. An end's `wait` names what really runs.
"""

from __future__ import annotations

import os
import time
from typing import Callable, Mapping, Optional

from cy_kernels.pure.clock import monotonic_ns

BUSY_ROUNDS_PER_CLOCK = 16
HOLD_NS = 20_000  # a waiter that holds its core offers it to others this often
YIELDING_SPINS = 16
BACKOFF_SPINS = 32
BACKOFF_NAP_MIN_NS = 2_000
BACKOFF_NAP_MAX_NS = 1_000_000
NEVER_NS = 2**63 - 1

Beat = Callable[[int], None]  # told the time, so that the waiter's heartbeat moves


class Waiter:
    """One wait. `deadline_ns` is absolute, -1 for ever."""

    def __init__(self, strategy: str, deadline_ns: int, beat: Optional[Beat] = None) -> None:
        self._round = ROUNDS[strategy]
        self.deadline_ns = NEVER_NS if deadline_ns < 0 else deadline_ns
        self.beat = beat
        self.rounds = 0
        self.nap_ns = 0
        self.offer_ns = 0

    def round(self) -> bool:
        """Spend one round. False: the deadline has passed."""
        return self._round(self)

    def is_in_time(self) -> bool:
        return self._look() < self.deadline_ns

    def offer(self) -> bool:
        """The same, and now and then the core is anybody's."""
        now_ns = self._look()
        if self.offer_ns == 0:
            self.offer_ns = now_ns + HOLD_NS
        elif now_ns >= self.offer_ns:
            self.offer_ns = 0
            os.sched_yield()
        return now_ns < self.deadline_ns

    def _look(self) -> int:
        now_ns = monotonic_ns()
        if self.beat is not None:
            self.beat(now_ns)
        return now_ns


def busy_spin(waiter: Waiter) -> bool:
    """Poll as fast as the interpreter can. For a waiter with a core of its own; others get their
    turn every HOLD_NS."""
    waiter.rounds += 1
    return bool(waiter.rounds % BUSY_ROUNDS_PER_CLOCK) or waiter.offer()


def yielding(waiter: Waiter) -> bool:
    """A few polls, then sched_yield between polls: more waiters than cores still progress."""
    waiter.rounds += 1
    if waiter.rounds <= YIELDING_SPINS:
        return True
    os.sched_yield()
    return waiter.is_in_time()


def backoff(waiter: Waiter) -> bool:
    """A short spin, then naps that double from 2 us to 1 ms. Needs nothing of the waker."""
    if waiter.rounds < BACKOFF_SPINS:
        waiter.rounds += 1
        return True
    waiter.nap_ns = min(max(2 * waiter.nap_ns, BACKOFF_NAP_MIN_NS), BACKOFF_NAP_MAX_NS)
    left_ns = waiter.deadline_ns - monotonic_ns()
    if left_ns > 0:
        # The ceiling: a nap that ends just before the deadline would cost another one.
        time.sleep(-(-min(waiter.nap_ns, left_ns) // 1000) / 1e6)
    return waiter.is_in_time()


ROUNDS: Mapping[str, Callable[[Waiter], bool]] = {
    "busy_spin": busy_spin,
    "pause": busy_spin,
    "yielding": yielding,
    "park": backoff,
    "backoff": backoff,
    "adaptive": backoff,
    "tpause": backoff,
    "mwaitx": backoff,
    "umwait": backoff,
    "wfe": backoff,
    "wfet": backoff,
    "best": backoff,
}
STRATEGIES = tuple(ROUNDS)


def really_runs(strategy: str) -> str:
    """The strategy that a pure end runs when it is asked for this one."""
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"wait strategy {strategy!r} is not one of {known}")
    return ROUNDS[strategy].__name__
