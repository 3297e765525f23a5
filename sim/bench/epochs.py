"""In which epoch of the machine's speed each repetition was: by the cache line's round trip.

Some machines run everything between two cores several times slower for tens of seconds at a time.
Round trips that lie within a factor of WITHIN round a common one make an epoch; a repetition is of
it when the line says so before and after, else it is mixed, and compares with nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import List, Sequence

from sim.bench.series import Repetition

MIXED, UNKNOWN = "mixed", "unknown"
WITHIN = 1.3
SHARE_MIN = 0.03  # of all looks at the line: what is rarer is an accident, no epoch


def centres_ns(repetitions: Sequence[Repetition]) -> List[float]:
    """The round trip of each epoch, the fastest first. None where nobody looked."""
    looks = sorted(line for each in repetitions for line in each.line_ns if line is not None)
    rare = max(1, int(SHARE_MIN * len(looks)))
    found = []
    while looks:
        centre = max(looks, key=lambda line: _end(looks, line) - _start(looks, line))
        start, end = _start(looks, centre), _end(looks, centre)
        if end - start < rare:
            break
        found.append(centre)
        del looks[start:end]
    return sorted(found)


def _start(looks: Sequence[float], centre: float) -> int:
    return bisect_left(looks, centre / WITHIN)


def _end(looks: Sequence[float], centre: float) -> int:
    return bisect_right(looks, centre * WITHIN)


def epoch(repetition: Repetition, centres: Sequence[float]) -> str:
    """Named by its round trip, "101 ns"."""
    lines = [line for line in repetition.line_ns if line is not None]
    if len(lines) < len(repetition.line_ns) or not centres:
        return UNKNOWN
    for centre in centres:
        if all(centre / WITHIN <= line <= centre * WITHIN for line in lines):
            return f"{centre:.0f} ns"
    return MIXED
