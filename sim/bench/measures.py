"""Figures of this ring beside others', each of one cell: what goals are measured by."""

from __future__ import annotations

from typing import Callable, Iterable, Optional

from sim.bench.peer import Form
from sim.bench.peers import PEERS
from sim.bench.plan import Cell
from sim.bench.rows import Rows, Spread, spread

OURS = "spinbed"
HALF, P99, RATE = "half_us.p50", "half_us.p99", "messages_per_s"
WAKE, WAKE_P99 = "wake_us.p50", "wake_us.p99"
CPU, READER_CPU, IDLE_CPU = "cpu_percent", "reader_cpu_percent", "idle_cpu_percent"

Measure = Callable[[Rows, Cell], Optional[Spread]]


def over(other: str, name: str, form: Optional[Form] = None) -> Measure:
    """Ours over that of another peer, whose messages may be of another form."""

    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        return rows.ratio(OURS, other, cell, name, _as(cell, form))

    return measure


def under(other: str, name: str, form: Optional[Form] = None) -> Measure:
    """How many times ours the other's is."""

    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        found = rows.ratio(OURS, other, cell, name, _as(cell, form))
        return found and Spread(1 / found.median, 1 / found.high, 1 / found.low, found.count)

    return measure


def itself(name: str, other_name: str) -> Measure:
    """One figure of ours over another one of the same repetition."""

    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        ours, base = rows.values(OURS, cell, name), rows.values(OURS, cell, other_name)
        ratios = [ours[key] / base[key] for key in ours if base.get(key)]
        return spread(ratios) if ratios else None

    return measure


def over_form(form: Form, name: str) -> Measure:
    """Ours in this form over ours in another one."""

    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        return rows.ratio(OURS, OURS, cell, name, _as(cell, form))

    return measure


def figure(name: str, alias: str = OURS) -> Measure:
    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        values = rows.values(alias, cell, name)
        return spread(list(values.values())) if values else None

    return measure


def over_best(name: str, *, is_less_better: bool) -> Measure:
    """Over the best of all peers that lost nothing here."""

    def measure(rows: Rows, cell: Cell) -> Optional[Spread]:
        best: Optional[Spread] = None
        for alias in others(rows, cell):
            found = rows.ratio(OURS, alias, cell, name)
            if found is None:
                continue
            is_closer = best is not None and (
                found.median > best.median if is_less_better else found.median < best.median
            )
            if best is None or is_closer:
                best = found
        return best

    return measure


def others(rows: Rows, cell: Cell) -> Iterable[str]:
    for alias, where in rows.rows:
        if where == cell and not alias.startswith("spinbed") and rows.is_lossless(alias, cell):
            yield alias


def worst_strategy(rows: Rows, cell: Cell) -> Optional[Spread]:
    """The slowest of all ways to wait, over zmq's PUB and SUB."""
    ours = [alias for alias, entry in PEERS.items() if entry.is_ours]
    ratios = [rows.ratio(alias, "zmq-pub", cell, RATE) for alias in ours]
    found = [each for each in ratios if each is not None]
    return min(found, key=lambda each: each.median) if found else None


def cost_of_recording(rows: Rows, cell: Cell) -> Optional[Spread]:
    """Percent of the messages a second that recorder and gate take."""
    found = rows.ratio("spinbed-recorded", OURS, cell, RATE)
    if found is None:
        return None
    return Spread(
        100 - 100 * found.median, 100 - 100 * found.high, 100 - 100 * found.low, found.count
    )


def _as(cell: Cell, form: Optional[Form]) -> Cell:
    if form is None:
        return cell
    return Cell(cell.workload, form, cell.size_bytes, cell.readers, cell.gap_ms, cell.is_pinned)
