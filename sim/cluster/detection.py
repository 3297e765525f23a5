"""Who is to blame: policies by which the writer of a cluster finds out.

`timeout` is what vLLM does: after so long without progress it says that there is none, and
names nobody. `deadline` names whose answers are missing when a step takes longer than that. The
other three are failure detectors over heartbeats, and say nothing of work:

- `heartbeat`: so many in a row are missing.
- `chen`: none came until a margin after the estimated arrival of the next, the mean over a window
  (Chen, Toueg, Aguilera: On the quality of service of failure detectors, IEEE Transactions on
  Computers 51(5), 2002, algorithm NFD-E).
- `phi`: the suspicion level, -log10 of the probability that a heartbeat is still to come after so
  long, has reached a threshold; normal distribution over a window (Hayashibara, Defago, Yared,
  Katayama: The phi accrual failure detector, SRDS 2004).
"""

from __future__ import annotations

import math
from collections import deque
from statistics import NormalDist
from typing import Any, Callable, Deque, Dict, Generator, List, Optional, Protocol, Sequence, Set

import simpy

from sim.checkers.blames import NOBODY
from sim.scenario import cluster_names
from sim.scenario.cluster_plan import ClusterPlan, PolicyPlan

# A detector looks so often between two heartbeats.
LOOKS_PER_BEAT = 4
# Of phi: as if heartbeats never came more evenly than this part of their period.
LEAST_DEVIATION = 0.05

HEARTBEATS = ("heartbeat", "chen", "phi")


class Job(Protocol):
    """What a policy may know: nothing of the faults."""

    @property
    def is_over(self) -> bool:
        """Then nobody sends heartbeats any more."""

    def missing(self) -> Sequence[int]: ...

    def blame(self, target: str, why: str, since_ns: int) -> None: ...

    def trust(self, target: str) -> None: ...


class Detector(Protocol):
    def step_began(self, number: int) -> None: ...

    def step_ended(self, number: int) -> None: ...

    def heard(self, host: int, ranks: Sequence[int]) -> None:
        """A heartbeat of each of these readers of a host."""


def detector(env: simpy.Environment, plan: ClusterPlan, job: Job) -> Detector:
    policy = plan.policy
    if policy.kind in ("timeout", "deadline"):
        return StepDeadline(env, plan, job, names=policy.kind == "deadline")
    if policy.kind in HEARTBEATS:
        return Heartbeats(env, plan, job)
    assert policy.kind == "none"
    return Silent()


class Silent:
    """Nobody is ever blamed."""

    def step_began(self, number: int) -> None: ...

    def step_ended(self, number: int) -> None: ...

    def heard(self, host: int, ranks: Sequence[int]) -> None: ...


class StepDeadline:
    """A step must be over in time, and is asked again after as long. `names`: whose answer is
    missing then is to blame; else nobody is named."""

    def __init__(self, env: simpy.Environment, plan: ClusterPlan, job: Job, *, names: bool) -> None:
        self._env = env
        self._plan = plan
        self._job = job
        self._names = names
        self._number: Optional[int] = None

    def step_began(self, number: int) -> None:
        self._number = number
        self._ask_later(number, self._env.now)

    def step_ended(self, number: int) -> None:
        self._number = None

    def heard(self, host: int, ranks: Sequence[int]) -> None: ...

    def _ask_later(self, number: int, began_ns: int) -> None:
        def ask(_: simpy.Event) -> None:
            if self._number == number:
                self._late(number, began_ns)

        self._env.timeout(self._plan.policy.after_ns).callbacks.append(ask)

    def _late(self, number: int, began_ns: int) -> None:
        took_s = (self._env.now - began_ns) / 1e9
        if not self._names:
            self._job.blame(NOBODY, f"step {number} is not over after {took_s:g} s", began_ns)
        else:
            why = f"no answer to step {number} after {took_s:g} s"
            for target in together(self._job.missing(), self._plan.readers_per_host):
                self._job.blame(target, why, began_ns)
        if self._number == number:
            self._ask_later(number, began_ns)


def together(indices: Sequence[int], readers_per_host: int) -> List[str]:
    """The readers by name; where all of a host are among them, the host."""
    by_host: Dict[int, List[int]] = {}
    for index in indices:
        by_host.setdefault(index // readers_per_host, []).append(index % readers_per_host)
    found: List[str] = []
    for host, ranks in sorted(by_host.items()):
        if len(ranks) == readers_per_host > 1:
            found.append(cluster_names.host(host))
        else:
            found += [cluster_names.reader(host, rank) for rank in ranks]
    return found


class Heartbeats:
    """Readers whose heartbeat is overdue are to blame until one comes. Those of a host come
    together, so that the estimate is the host's."""

    def __init__(self, env: simpy.Environment, plan: ClusterPlan, job: Job) -> None:
        self._env = env
        self._job = job
        self._policy = plan.policy
        self._readers_per_host = plan.readers_per_host
        self._heard_ns = [env.now] * plan.readers
        # Before the first two heartbeats there is nothing to estimate from.
        self._bound_ns = [bound_at_first_ns(plan.policy)] * plan.hosts
        self._estimates = [estimate(plan.policy) for _ in range(plan.hosts)]
        self._suspected: Set[int] = set()
        self._blamed: Dict[int, str] = {}  # by whose name each of them was blamed
        env.process(self._look())

    def step_began(self, number: int) -> None: ...

    def step_ended(self, number: int) -> None: ...

    def heard(self, host: int, ranks: Sequence[int]) -> None:
        now_ns = self._env.now
        self._bound_ns[host] = self._estimates[host](now_ns)
        first = host * self._readers_per_host
        back: Set[str] = set()
        for rank in ranks:
            index = first + rank
            self._heard_ns[index] = now_ns
            if index in self._suspected:
                self._suspected.discard(index)
                back.add(self._blamed.pop(index))
        for target in sorted(back - set(self._blamed.values())):
            self._job.trust(target)

    def _look(self) -> Generator[simpy.Event, Any, None]:
        per_host = self._readers_per_host
        every_ns = max(1, self._policy.every_ns // LOOKS_PER_BEAT)
        while True:
            yield self._env.timeout(every_ns)
            if self._job.is_over:
                return
            now_ns = self._env.now
            overdue: List[int] = []
            for host, bound_ns in enumerate(self._bound_ns):
                latest_ns = now_ns - bound_ns
                first = host * per_host
                for index in range(first, first + per_host):
                    if self._heard_ns[index] < latest_ns and index not in self._suspected:
                        overdue.append(index)
            if overdue:
                self._suspect(overdue)

    def _suspect(self, overdue: Sequence[int]) -> None:
        self._suspected.update(overdue)
        for target in together(overdue, self._readers_per_host):
            theirs = [index for index in overdue if cluster_names.covers(target, self._name(index))]
            for index in theirs:
                self._blamed[index] = target
            since_ns = self._heard_ns[theirs[0]]
            silent_s = (self._env.now - since_ns) / 1e9
            self._job.blame(target, f"no heartbeat for {silent_s:.3g} s", since_ns)

    def _name(self, index: int) -> str:
        return cluster_names.reader(*divmod(index, self._readers_per_host))


def bound_at_first_ns(policy: PolicyPlan) -> int:
    return policy.every_ns * max(policy.misses, 2) + policy.margin_ns


def estimate(policy: PolicyPlan) -> Callable[[int], int]:
    """A function of the time of each arrival: how long after it the next may come at the latest."""
    if policy.kind == "heartbeat":
        bound_ns = policy.every_ns * policy.misses
        return lambda now_ns: bound_ns
    return Chen(policy).arrived if policy.kind == "chen" else Phi(policy).arrived


class Chen:
    """The next arrival is estimated at the mean of the last ones, each moved to where the next one
    would be: EA = mean(A_i - every * i) + every * (last + 1)."""

    def __init__(self, policy: PolicyPlan) -> None:
        self._policy = policy
        self._offsets: Deque[int] = deque(maxlen=policy.window)
        self._sum = 0
        self._count = 0

    def arrived(self, now_ns: int) -> int:
        every_ns = self._policy.every_ns
        if self._count and self._offsets:
            # Lost heartbeats leave gaps in the numbers, which a real one would carry.
            mean_ns = self._sum // len(self._offsets)
            self._count = max(self._count, round((now_ns - mean_ns) / every_ns))
        if len(self._offsets) == self._policy.window:
            self._sum -= self._offsets[0]
        offset_ns = now_ns - every_ns * self._count
        self._offsets.append(offset_ns)
        self._sum += offset_ns
        self._count += 1
        expected_ns = self._sum // len(self._offsets) + every_ns * self._count
        return max(0, expected_ns - now_ns) + self._policy.margin_ns


class Phi:
    """-log10(1 - F(silence)) = threshold, solved for the silence; F is normal, with the mean and
    the deviation of the last intervals."""

    def __init__(self, policy: PolicyPlan) -> None:
        self._policy = policy
        self._intervals: Deque[int] = deque(maxlen=policy.window)
        self._last_ns: Optional[int] = None
        self._sum = 0
        self._squares = 0
        # Of the standard normal distribution; beyond 300 a float has no room.
        self._quantile = -NormalDist().inv_cdf(10.0**-policy.threshold)

    def arrived(self, now_ns: int) -> int:
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is None:
            return bound_at_first_ns(self._policy)
        if len(self._intervals) == self._policy.window:
            old_ns = self._intervals[0]
            self._sum -= old_ns
            self._squares -= old_ns * old_ns
        interval_ns = now_ns - last_ns
        self._intervals.append(interval_ns)
        self._sum += interval_ns
        self._squares += interval_ns * interval_ns
        count = len(self._intervals)
        mean_ns = self._sum / count
        # Whole numbers of any size: the difference loses nothing.
        variance = (self._squares * count - self._sum * self._sum) / (count * count)
        deviation_ns = max(math.sqrt(variance), LEAST_DEVIATION * self._policy.every_ns)
        return int(mean_ns + self._quantile * deviation_ns)
