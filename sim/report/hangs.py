"""The hangs of many runs: what was the cause of each, by its scenario, against what was told."""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Sequence, Tuple

from sim.verdict import RunResult

NONE = "none"
GAP = "  "


def confusion(results: Sequence[RunResult]) -> Sequence[str]:
    """Rows: the class that scenarios name, or none, and how many runs; columns: what they were told
    to be. No lines where no scenario names a hang; only rows and columns that have runs."""
    told: Dict[str, Counter[str]] = {}
    for result in results:
        if result.verdict is not None:
            label = result.hang_expected or NONE
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
    return [*map(GAP.join, padded), f"{right} of {runs} as labelled; {alarms} false alarms"]


def _last_none(names: set[str]) -> Sequence[str]:
    return sorted(names, key=lambda name: (name == NONE, name))
