"""The hangs of many runs: what was the cause of each, by its scenario, against what was told."""

from __future__ import annotations

import math
from collections import Counter
from typing import Dict, List, Sequence, Tuple

from sim.verdict import RunResult

NONE = "none"
GAP = "  "


def confusion(results: Sequence[RunResult]) -> Sequence[str]:
    """Rows: the class that scenarios name, or none, and how many runs; columns: what they were told
    to be. No lines where no scenario names a hang; only rows and columns that have runs. A run that
    is expected to hang, by a file that names no class, is neither right nor a false alarm."""
    told: Dict[str, Counter[str]] = {}
    for result in results:
        label = result.hang_expected or NONE
        is_expected = label == NONE and result.hang is not None and result.as_expected
        if result.verdict is not None and not is_expected:
            told.setdefault(label, Counter())[result.hang or NONE] += 1
    if set(told) <= {NONE}:
        return ()
    columns = _last_none({name for found in told.values() for name in found})
    rows: List[Tuple[str, ...]] = [("cause (runs)", *columns)]
    for label in _last_none(set(told)):
        found = told[label]
        counts = (str(found[name] or "-") for name in columns)
        rows.append((f"{label} ({sum(found.values())})", *counts))
    widths = [max(map(len, column)) for column in zip(*rows)]
    padded = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    right = sum(found[label] for label, found in told.items())
    alarms = sum(told.get(NONE, Counter()).values()) - told.get(NONE, Counter())[NONE]
    runs = sum(sum(found.values()) for found in told.values())
    lines = [*map(GAP.join, padded), f"{right} of {runs} as labelled; {alarms} false alarms"]
    return [*lines, *_lateness(results)]


def _lateness(results: Sequence[RunResult]) -> Sequence[str]:
    """How long after the stall threshold hangs were told, of those that were not told at the
    deadline: their 95th percentile by the nearest rank, and the most."""
    late = sorted(each.hang_late_ns for each in results if each.hang_late_ns is not None)
    if not late:
        return ()
    p95 = late[math.ceil(0.95 * len(late)) - 1]
    at_deadline = sum(each.hang is not None for each in results) - len(late)
    told = f"{len(late)} told within {late[-1] / 1e9:.2f} s after the stall threshold"
    return [f"{told}, 95 % within {p95 / 1e9:.2f} s; {at_deadline} at the deadline"]


def _last_none(names: set[str]) -> Sequence[str]:
    return sorted(names, key=lambda name: (name == NONE, name))
