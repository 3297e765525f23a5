"""From repetitions to rows: medians and spread of each peer in each cell, and ratios of two peers.

A row's figures are of one epoch, the one in which most of its repetitions were. A ratio is the
median of the rounds' ratios, each of two repetitions of one round and one epoch.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from sim.bench.epochs import MIXED, centres_ns, epoch
from sim.bench.plan import Cell
from sim.bench.series import Repetition, Series

Key = Tuple[str, Cell]


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Row:
    alias: str
    cell: Cell
    epoch: str
    figures: Mapping[str, Spread]  # "half_us.p50", "messages_per_s", ...
    repetitions: int  # in that epoch
    all_repetitions: int
    notes: Tuple[str, ...]

    def median(self, name: str) -> Optional[float]:
        found = self.figures.get(name)
        return None if found is None else found.median


class Rows:
    """All rows of a series, by peer and cell."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.centres_ns = centres_ns(series.repetitions)
        self.epoch_of = {id(each): epoch(each, self.centres_ns) for each in series.repetitions}
        self._by_key: Dict[Key, List[Repetition]] = {}
        for each in series.repetitions:
            self._by_key.setdefault((each.turn.alias, each.turn.cell), []).append(each)
        self.rows = {key: self._row(key, each) for key, each in self._by_key.items()}
        self.epochs = Counter(self.epoch_of.values())

    def _row(self, key: Key, repetitions: Sequence[Repetition]) -> Row:
        epochs = Counter(self.epoch_of[id(each)] for each in repetitions)
        best = max(epochs, key=lambda name: (name != MIXED, epochs[name]))
        chosen = [each for each in repetitions if self.epoch_of[id(each)] == best]
        values: Dict[str, List[float]] = {}
        for each in chosen:
            for name, value in flat(each.figures).items():
                values.setdefault(name, []).append(value)
        return Row(
            alias=key[0],
            cell=key[1],
            epoch=best,
            figures={name: spread(each) for name, each in values.items()},
            repetitions=len(chosen),
            all_repetitions=len(repetitions),
            notes=tuple(dict.fromkeys(each.note for each in repetitions if each.note)),
        )

    def cells(self) -> List[Cell]:
        return list(dict.fromkeys(cell for _, cell in self.rows))

    def get(self, alias: str, cell: Cell) -> Optional[Row]:
        return self.rows.get((alias, cell))

    def values(self, alias: str, cell: Cell, name: str) -> Dict[Tuple[int, str], float]:
        """By round and epoch. Mixed epochs compare with nothing."""
        found = {}
        for each in self._by_key.get((alias, cell), ()):
            value = flat(each.figures).get(name)
            of = self.epoch_of[id(each)]
            if value is not None and of != MIXED:
                found[each.turn.round, of] = value
        return found

    def ratio(
        self, one: str, other: str, cell: Cell, name: str, other_cell: Optional[Cell] = None
    ) -> Optional[Spread]:
        """`one`'s figure over `other`'s; None where no round has both in one epoch."""
        ours = self.values(one, cell, name)
        theirs = self.values(other, other_cell or cell, name)
        ratios = [ours[key] / theirs[key] for key in ours if theirs.get(key)]
        return spread(ratios) if ratios else None

    def is_lossless(self, alias: str, cell: Cell) -> bool:
        """In every repetition, and with the right bytes."""
        return not any(
            each.figures.get("lost") or each.figures.get("wrong")
            for each in self._by_key.get((alias, cell), ())
        )


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def flat(figures: Mapping[str, Any], lead: str = "") -> Dict[str, float]:
    found: Dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{lead}{name}."))
        elif isinstance(value, (int, float)):
            found[lead + name] = value
    return found
