"""What the run of a cluster came to, read out of its history: steps, blame, depth of the rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from sim.checkers.blames import NOBODY, concerns, faults, is_right
from sim.history.history import History
from sim.history.op import (
    BLAME,
    EVICTED,
    HEAL,
    INJECT,
    JOB,
    OK,
    RECEIVE,
    SEND,
    STEP,
    TIMEOUT,
    TRUST,
)


@dataclass(frozen=True)
class Times:
    """Of steps, in ns: nearest-rank percentiles."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True)
class Struck:
    """One fault, and who was blamed first while it could be the reason."""

    alias: str
    target: str
    at_ns: int
    blamed: Optional[str]  # None: nobody; "nobody": an alarm that names no one
    after_ns: Optional[int]  # from the fault to the blame

    @property
    def is_right(self) -> bool:
        return self.blamed is not None and concerns(self.target, self.blamed)


@dataclass(frozen=True)
class Depths:
    """Messages in the rings, sampled evenly: of the hosts that had most, a row each."""

    every_ns: int
    hosts: Sequence[int]
    rows: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Job:
    hosts: int
    readers: int  # in all
    policy: str  # its kind and what it is set to: "deadline 2s"
    kind: str
    before: Optional[Times]  # steps that were over before the first fault, or all
    during: Optional[Times]  # that ended later, up to the last heal
    after: Optional[Times]  # that began after the last heal
    deliveries: int
    evicted: int
    timeouts: int  # of the writer's sends
    blocked_ns: int  # the writer, in its sends
    dropped: int  # messages that found a queue full, or a datagram's fate
    faults: Sequence[Struck]
    false_blames: int
    mistaken_ns: int  # how long, in all, somebody was suspected without a fault
    depths: Depths
    duration_ns: int

    @property
    def detection_ns(self) -> Optional[int]:
        """From a fault to the right blame, the mean of those that were found."""
        found = [f.after_ns for f in self.faults if f.is_right and f.after_ns is not None]
        return sum(found) // len(found) if found else None

    @property
    def false_blames_per_hour(self) -> float:
        return self.false_blames * 3.6e12 / self.duration_ns if self.duration_ns else 0.0


def job_of(history: History, duration_ns: int) -> Optional[Job]:
    """None: the history is of no cluster."""
    said: Mapping[str, Any] = next((op.detail or {} for op in history.ops if op.f == JOB), {})
    if not said:
        return None
    before, during, after = _steps(history)
    false_blames, mistaken_ns = _mistakes(history, duration_ns)
    received = [op for op in history.ops if op.f == RECEIVE]
    return Job(
        hosts=int(said["hosts"]),
        readers=int(said["readers"]),
        policy=str(said["policy"]),
        kind=str(said["kind"]),
        before=before,
        during=during,
        after=after,
        deliveries=sum(int((op.detail or {})["messages"]) for op in received if op.type == OK),
        evicted=sum(op.outcome == EVICTED for op in received),
        timeouts=sum(op.f == SEND and op.outcome == TIMEOUT for op in history.ops),
        blocked_ns=int(said["blocked_ns"]),
        dropped=int(said["dropped"]),
        faults=_struck(history),
        false_blames=false_blames,
        mistaken_ns=mistaken_ns,
        depths=Depths(**said["depths"]),
        duration_ns=duration_ns,
    )


def _steps(history: History) -> Tuple[Optional[Times], Optional[Times], Optional[Times]]:
    struck = [op.time_ns for op in history.ops if op.f == INJECT and (op.detail or {}).get("fired")]
    healed = [op.time_ns for op in history.ops if op.f == HEAL]
    first_ns = min(struck, default=1 << 63)
    last_ns = max(healed, default=1 << 63)
    parts: Tuple[List[int], List[int], List[int]] = ([], [], [])
    for op in history.ops:
        if op.f == STEP and op.type == OK:
            took_ns = int((op.detail or {})["took_ns"])
            part = 0 if op.time_ns <= first_ns else 1 if op.time_ns - took_ns <= last_ns else 2
            parts[part].append(took_ns)
    return _times(parts[0]), _times(parts[1]), _times(parts[2])


def _times(took_ns: List[int]) -> Optional[Times]:
    if not took_ns:
        return None
    took_ns.sort()
    count = len(took_ns)
    p50_ns, p99_ns = (took_ns[-(-count * part // 100) - 1] for part in (50, 99))
    return Times(count, p50_ns, p99_ns, took_ns[-1])


def _struck(history: History) -> Sequence[Struck]:
    found: List[Struck] = []
    blames = [op for op in history.ops if op.f == BLAME]
    aliases = {
        (str(detail.get("target")), op.time_ns): str(detail.get("alias"))
        for op in history.ops
        if op.f == INJECT and (detail := op.detail or {}).get("fired")
    }
    for fault in faults(history):
        names = [
            (op.time_ns - fault.from_ns, str((op.detail or {}).get("target")))
            for op in blames
            if fault.from_ns <= op.time_ns <= fault.to_ns
        ]
        # Its own name, else an alarm, else who else was named.
        names.sort(key=lambda each: (not concerns(fault.target, each[1]), each[1] != NOBODY))
        after_ns, blamed = names[0] if names else (None, None)
        alias = aliases.get((fault.target, fault.from_ns), "")
        found.append(Struck(alias, fault.target, fault.from_ns, blamed, after_ns))
    return found


def _mistakes(history: History, duration_ns: int) -> Tuple[int, int]:
    """How often somebody was blamed without a fault, and for how long until it was taken back."""
    struck = faults(history)
    since: Dict[str, int] = {}
    count = mistaken_ns = 0
    for op in history.ops:
        target = str((op.detail or {}).get("target"))
        if op.f == BLAME and target != NOBODY and not is_right(target, op.time_ns, struck):
            count += 1
            since.setdefault(target, op.time_ns)
        elif op.f == TRUST and target in since:
            mistaken_ns += op.time_ns - since.pop(target)
    return count, mistaken_ns + sum(max(0, duration_ns - at_ns) for at_ns in since.values())
