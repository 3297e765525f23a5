"""What clusters came to, as a table: step times, who was blamed after how long, what was lost."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from sim.checkers.blames import NOBODY
from sim.jobs import Job, Times
from sim.verdict import RunResult

HEADINGS = (
    *("cluster", "hosts x readers", "policy", "step p50/p99", "under faults", "fault"),
    *("blamed", "after", "false/h", "left"),
)
ROWS_MAX = 60  # beyond, a table is for the JSON report


def rows(results: Sequence[RunResult]) -> Sequence[str]:
    """Lines of a table, its headings first; none where there is no cluster."""
    told = [(result.name, result.job) for result in results if result.job is not None]
    if not told:
        return ()
    cells = [HEADINGS, *(_cells(name, job) for name, job in told[:ROWS_MAX])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths)).rstrip() for row in cells]
    if len(told) > ROWS_MAX:
        lines.append(f"... and {len(told) - ROWS_MAX} more (--report json)")
    return lines


def _cells(name: str, job: Job) -> Tuple[str, ...]:
    fault, blamed, after = _first(job)
    return (
        name.partition("[")[0],
        f"{job.hosts} x {job.readers // job.hosts}",
        job.policy,
        _both(job.before),
        _both(job.during),
        fault,
        blamed,
        after,
        f"{job.false_blames_per_hour:.0f}" if job.false_blames else "0",
        "all" if not job.evicted else f"{job.readers - job.evicted} of {job.readers}",
    )


def _first(job: Job) -> Tuple[str, str, str]:
    """Of the fault that was blamed first, or the first one; of several on one target, the mean."""
    if not job.faults:
        return "-", "-", "-"
    mean_ns = job.detection_ns if len({each.target for each in job.faults}) == 1 else None
    struck = min(job.faults, key=lambda f: (f.after_ns is None, f.after_ns or 0))
    more = f" +{len(job.faults) - 1}" if len(job.faults) > 1 else ""
    fault = f"{struck.alias} {struck.target}{more}"
    if struck.blamed is None or struck.after_ns is None:
        return fault, "never", "-"
    mark = "" if struck.is_right else " (no name)" if struck.blamed == NOBODY else " (WRONG)"
    same = "it" if struck.blamed == struck.target else struck.blamed
    told = f"{same}{mark}".replace("nobody (no name)", "no name")
    return fault, told, short(struck.after_ns if mean_ns is None else mean_ns)


def _both(times: Optional[Times]) -> str:
    return "-" if times is None else f"{short(times.p50_ns)} / {short(times.p99_ns)}"


def short(time_ns: int) -> str:
    """Three digits and a unit."""
    for unit, size_ns in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if time_ns >= size_ns:
            return f"{time_ns / size_ns:.3g} {unit}"
    return f"{time_ns} ns"


def as_json(job: Job) -> object:
    """For the JSON report: what the table has, without what is drawn."""

    def times(of: Optional[Times]) -> object:
        if of is None:
            return None
        return {"count": of.count, "p50_ns": of.p50_ns, "p99_ns": of.p99_ns, "max_ns": of.max_ns}

    faults: List[object] = [
        {
            "alias": each.alias,
            "target": each.target,
            "blamed": each.blamed,
            "after_ns": each.after_ns,
            "is_right": each.is_right,
        }
        for each in job.faults
    ]
    return {
        "hosts": job.hosts,
        "readers": job.readers,
        "policy": job.policy,
        "deliveries": job.deliveries,
        "steps": {
            "before_faults": times(job.before),
            "under_faults": times(job.during),
            "after_faults": times(job.after),
        },
        "faults": faults,
        "false_blames": job.false_blames,
        "mistaken_ns": job.mistaken_ns,
        "evicted": job.evicted,
        "send_timeouts": job.timeouts,
        "blocked_ns": job.blocked_ns,
        "dropped": job.dropped,
    }
