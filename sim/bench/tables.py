"""All that was found as tables of text: the same ones in the terminal and on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from sim.bench.goals import AGAIN, Outcome, outcomes
from sim.bench.measures import CPU, HALF, IDLE_CPU, OURS, P99, RATE, READER_CPU, WAKE, WAKE_P99
from sim.bench.peer import Form
from sim.bench.plan import FAN_OUT, PACED, PAIR, SILENCE, Cell, size_text
from sim.bench.rows import Row, Rows, Spread
from sim.bench.series import Series

NOTHING = "-"


@dataclass(frozen=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""


def tables(rows: Rows) -> List[Table]:
    found = [_peers(rows.series), _goals(outcomes(rows)), *_pairs(rows)]
    for placed in (False, True):
        found += [_waiting(rows, placed), _fan_out(rows, placed)]
    found += [_noise(rows), _limits(rows.series)]
    return [table for table in found if table.rows]


def _peers(series: Series) -> Table:
    lines = []
    peers = {peer.alias: peer for peer in series.peers}
    for entry in series.entries:
        peer = peers.get(entry.alias)
        state = series.absent.get(entry.alias, "measured")
        if entry.alias in series.given_up:
            state = "given up: it hung twice"
        notes = [peer.note if peer else "", "loses messages" if peer and peer.is_lossy else ""]
        lines.append(
            (
                entry.alias,
                entry.what,
                peer.version if peer else "",
                "; ".join(each for each in (state, *notes) if each),
            )
        )
    for (alias, cell), why in series.failures.items():
        lines.append((alias, f"fails at {cell.name}", "", why))
    return Table("Peers", ("peer", "what", "version", "state"), lines)


def _goals(found: Sequence[Outcome]) -> Table:
    lines = []
    for outcome in found:
        goal = outcome.goal
        measured = {name: (value, noise) for name, value, noise in outcome.placements}
        columns = []
        for name in ("unpinned", "pinned"):
            value, noise = measured.get(name, (None, None))
            columns.append(spread_text(value, goal.unit))
            columns.append(spread_text(noise, "x") if value is not None else NOTHING)
        lines.append((goal.part, goal.text, goal.bound, *columns, outcome.verdict))
    header = ("of", "goal", "bound", "unpinned", "noise", "pinned", "noise", "")
    about = (
        "Medians of the rounds' ratios, lowest and highest; both sides of a ratio are of one round "
        "and one epoch. Noise is the same figure of this ring beside itself."
    )
    return Table("Goals", header, lines, about)


def spread_text(spread: Optional[Spread], unit: str) -> str:
    if spread is None:
        return NOTHING
    text = f"{_number(spread.median)} {unit}"
    if spread.count > 1:
        text += f" ({_number(spread.low)} to {_number(spread.high)})"
    return text


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _pairs(rows: Rows) -> Iterator[Table]:
    for is_pinned in (False, True):
        for size in sorted({cell.size_bytes for cell in rows.cells() if cell.workload == PAIR}):
            yield _pair(rows, size, is_pinned)


def _pair(rows: Rows, size_bytes: int, is_pinned: bool) -> Table:
    lines: List[Sequence[str]] = []
    for form in Form:
        cell = Cell(PAIR, form, size_bytes, 1, 0, is_pinned)
        name = RATE if form is Form.BATCH else HALF
        for row in _sorted(rows, cell, name):
            lines.append(
                (
                    form.value,
                    row.alias,
                    _figure(row, HALF),
                    _wide(row, HALF),
                    _figure(row, P99),
                    _figure(row, "half_us.p999"),
                    _figure(row, RATE),
                    _wide(row, RATE),
                    _lost(row),
                    f"{row.epoch} {row.repetitions}/{row.all_repetitions}",
                )
            )
        lines += _failed(rows.series, cell, form.value, 10)
    placed = "each process on a core of its own" if is_pinned else "not pinned"
    header = (
        *("messages", "peer", "p50, us", "+-%", "p99", "p99.9", "messages/s", "+-%"),
        *("lost", "epoch"),
    )
    about = "Half of a round trip, then one way as fast as it goes. Sorted by p50."
    return Table(f"One writer, one reader, {size_text(size_bytes)}, {placed}", header, lines, about)


def _sorted(rows: Rows, cell: Cell, name: str) -> List[Row]:
    found = [row for (_, where), row in rows.rows.items() if where == cell]
    sign = -1 if name == RATE else 1
    return sorted(found, key=lambda row: sign * (row.median(name) or 0))


def _figure(row: Row, name: str) -> str:
    value = row.median(name)
    return NOTHING if value is None else _number(value)


def _wide(row: Row, name: str) -> str:
    """Half of the spread, in percent of the median."""
    found = row.figures.get(name)
    if found is None or found.count < 2 or not found.median:
        return NOTHING
    return f"{50 * (found.high - found.low) / found.median:.0f}"


def _lost(row: Row) -> str:
    lost, wrong = row.median("lost_percent") or 0, row.median("wrong") or 0
    if wrong:
        return f"{wrong:.0f} wrong"
    return f"{lost:.1f} %" if lost else "0"


def _failed(series: Series, cell: Cell, form: str, columns: int) -> Iterator[Sequence[str]]:
    for (alias, where), why in series.failures.items():
        if where == cell:
            yield (form, alias, why.split(":")[0], *[NOTHING] * (columns - 3))


def _waiting(rows: Rows, is_pinned: bool) -> Table:
    header = (
        *("peer", "every 1 ms: p50, us", "p99", "core, %", "every 10 ms: p50", "p99", "core, %"),
        *("after 100 ms", "after 2 s", "core meanwhile, %"),
    )
    lines = []
    for alias in _aliases(rows, (PACED, SILENCE)):
        cells = _cells_of(rows, alias, is_pinned)
        one, ten = cells.get((PACED, 1)), cells.get((PACED, 10))
        silence = next((row for (what, _), row in cells.items() if what == SILENCE), None)
        if not (one or ten or silence):
            continue
        after = {
            name.rpartition(".")[2]: each.median
            for name, each in (silence.figures if silence else {}).items()
            if name.startswith("wake_after_ms.")
        }
        longest = max(after, key=int, default="")
        lines.append(
            (
                alias,
                *(_or(one, name) for name in (WAKE, WAKE_P99, READER_CPU)),
                *(_or(ten, name) for name in (WAKE, WAKE_P99, READER_CPU)),
                _number(after["100"]) if "100" in after else NOTHING,
                _number(after[longest]) if longest not in ("", "100") else NOTHING,
                _or(silence, IDLE_CPU),
            )
        )
    placed = "pinned" if is_pinned else "not pinned"
    about = (
        "From the writer's call to the reader's next line of Python, and the reader's share of a "
        "core. The last column is of the longest silence, 2 s (0.5 s with --quick)."
    )
    return Table(f"Waiting, {placed}", header, lines, about)


def _aliases(rows: Rows, workloads: Sequence[str]) -> List[str]:
    having = {alias for alias, cell in rows.rows if cell.workload in workloads}
    return [entry.alias for entry in rows.series.entries if entry.alias in having]


def _cells_of(rows: Rows, alias: str, is_pinned: bool) -> Mapping[Tuple[str, int], Row]:
    return {
        (cell.workload, cell.gap_ms): row
        for (who, cell), row in rows.rows.items()
        if who == alias and cell.is_pinned == is_pinned and cell.workload in (PACED, SILENCE)
    }


def _or(row: Optional[Row], name: str) -> str:
    return NOTHING if row is None else _figure(row, name)


def _fan_out(rows: Rows, is_pinned: bool) -> Table:
    cells = [
        cell for cell in rows.cells() if cell.workload == FAN_OUT and cell.is_pinned == is_pinned
    ]
    fast = sorted({(cell.size_bytes, cell.readers) for cell in cells if not cell.gap_ms})
    paced = any(cell.gap_ms for cell in cells)
    header = ["peer", *(f"{readers} x {size_text(size)}, /s" for size, readers in fast)]
    header += ["lost"] + (["every 1 ms: p50, us", "p99", "cores, %"] if paced else [])
    lines = []
    for alias in _aliases(rows, (FAN_OUT,)) if cells else ():
        mine = {
            (row.cell.size_bytes, row.cell.readers, row.cell.gap_ms): row
            for (who, cell), row in rows.rows.items()
            if who == alias and cell in cells
        }
        line = [alias, *(_or(mine.get((*shape, 0)), RATE) for shape in fast)]
        lost = [_lost(row) for row in mine.values() if _lost(row) != "0"]
        line.append(lost[-1] if lost else "0")
        if paced:
            slow = next((row for shape, row in mine.items() if shape[2]), None)
            line += [_or(slow, name) for name in (WAKE, WAKE_P99, CPU)]
        lines.append(line)
    placed = "pinned" if is_pinned else "not pinned"
    about = (
        "Messages a second that every reader has got, by number of readers and size; then at a "
        "message a ms to the most readers: latency, and processor time of all processes together."
    )
    return Table(f"One writer, several readers on two cores, {placed}", header, lines, about)


def _noise(rows: Rows) -> Table:
    lines = []
    for cell in rows.cells():
        names: Sequence[str] = (WAKE,) if cell.gap_ms else (HALF, RATE)
        ratios = [rows.ratio(AGAIN, OURS, cell, name) for name in names]
        if any(each is not None for each in ratios):
            found = [spread_text(each, "x") for each in ratios]
            lines.append((cell.name, found[0], found[1] if len(found) > 1 else NOTHING))
    about = f"{AGAIN} over {OURS}, the same ring twice in one run: what differs is noise."
    return Table("Noise", ("cell", "p50", "messages/s"), lines, about)


def _limits(series: Series) -> Table:
    if series.no_limits:
        return Table("Physical limits", ("limit", ""), [("none", series.no_limits)])
    found = series.limits
    sizes = list(found.get("copy_us", {}))
    lines = [
        ("cache line to the other core and back, ns", _list([found["line_ns"]])),
        (
            f"copy in, copy out, acknowledge, us: {_sizes(sizes)}",
            _list(found["copy_us"].values()),
        ),
        (
            f"through 8 slots, messages/s: {_sizes(sizes)}",
            _list(found["stream_per_s"].values()),
        ),
    ]
    for idle_us, (woken, paid) in found["wake_us"].items():
        after = f"{int(idle_us) / 1000:g} ms"
        text = f"futex wake to running after {after} of sleep, us; what the waker pays"
        lines.append((text, _list([woken, paid])))
    return Table(
        "Physical limits",
        ("limit", ""),
        lines,
        "In C, one process on each of both cores; the best of five.",
    )


def _sizes(sizes: Sequence[str]) -> str:
    return " / ".join(size_text(int(size)) for size in sizes)


def _list(values: Iterable[Optional[float]]) -> str:
    return " / ".join(NOTHING if value is None else _number(value) for value in values)
