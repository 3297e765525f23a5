"""What is measured, and in which order: the cells, and in each round every peer that fits a cell.

A cell is what can be compared: one workload, form, size and number of readers, pinned or not. All
peers take turns within a cell, so what is compared was measured within seconds; the order turns
round from one round to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from sim.bench.peer import READERS_MOST, SIZES, Form
from sim.bench.steps import Described, Job, Paced, Ping, Step, Stream

MS = 1_000_000
PAIR, FAN_OUT, PACED, SILENCE = "pair", "fan-out", "paced", "silence"
WORKLOADS = {
    PAIR: "one writer, one reader: round trips, then messages as fast as they go",
    FAN_OUT: "one writer, 1 to 4 readers on two cores: as fast as they go",
    PACED: "a message every 1 ms and every 10 ms: how late, at what processor time",
    SILENCE: "a message after 100 ms and after 2 s of silence, and what the silence costs",
}
WARM_WAKES = 5
ROOM_BYTES = 64 << 20  # both ways, as the most lavish peer makes its channels of 1 MiB


@dataclass(frozen=True)
class Extent:
    """How much of everything: what tells a whole run from a quick one."""

    rounds: Mapping[str, int]  # by workload
    ping_ns: int
    stream_ns: int
    paced_ns: Mapping[int, int]  # how long, by the gap in ms
    silences_ms: Sequence[int]
    placements: Mapping[str, Sequence[bool]]  # pinned or not, by workload
    fan_readers: Sequence[int]
    not_in_pairs: Sequence[str] = ()  # peers
    sizes: Sequence[int] = SIZES
    messages: Optional[int] = None  # exactly so many in each step instead


WHOLE = Extent(
    rounds={PAIR: 5, FAN_OUT: 3, PACED: 3, SILENCE: 3},
    ping_ns=150 * MS,
    stream_ns=200 * MS,
    paced_ns={1: 600 * MS, 10: 800 * MS},
    silences_ms=(100, 100, 100, 2000),
    placements={PAIR: (False, True), FAN_OUT: (False,), PACED: (False, True), SILENCE: (False,)},
    fan_readers=(1, 2, 3, READERS_MOST),
)
QUICK = Extent(
    rounds={PAIR: 2, FAN_OUT: 1, PACED: 1, SILENCE: 1},
    ping_ns=60 * MS,
    stream_ns=80 * MS,
    paced_ns={1: 150 * MS, 10: 200 * MS},
    silences_ms=(100, 500),
    placements={PAIR: (False,), FAN_OUT: (False,), PACED: (False,), SILENCE: (False,)},
    fan_readers=(1, READERS_MOST),
    not_in_pairs=tuple(
        f"spinbed-{way}" for way in ("pause", "yield", "backoff", "adaptive", "best")
    ),
)


@dataclass(frozen=True)
class Cell:
    """What one row of every peer is about. Sorts as it is shown."""

    workload: str
    form: Form
    size_bytes: int
    readers: int
    gap_ms: int  # 0: as fast as it goes
    is_pinned: bool

    @property
    def name(self) -> str:
        gap = f" every {self.gap_ms} ms" if self.gap_ms else ""
        readers = f" 1 to {self.readers}" if self.workload == FAN_OUT or self.readers > 1 else ""
        pinned = " pinned" if self.is_pinned else ""
        return (
            f"{self.workload}{readers} {self.form.value} {size_text(self.size_bytes)}{gap}{pinned}"
        )


def size_text(size_bytes: int) -> str:
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= factor:
            return f"{size_bytes // factor} {unit}"
    return f"{size_bytes} B"


def cells(workloads: Sequence[str], extent: Extent) -> List[Cell]:
    found = []
    for workload in workloads:
        for is_pinned in extent.placements[workload]:
            found += [
                Cell(workload, form, size, readers, gap, is_pinned)
                for form, size, readers, gap in _shapes(workload, extent)
                if size in extent.sizes
            ]
    return found


def _shapes(workload: str, extent: Extent) -> Iterator[Tuple[Form, int, int, int]]:
    if workload == PAIR:
        for size in SIZES:
            for form in (Form.BYTES, Form.VIEW, Form.BATCH, Form.OBJECT):
                yield form, size, 1, 0
        yield Form.ARRAY, SIZES[-1], 1, 0
        yield Form.ARRAY_VIEW, SIZES[-1], 1, 0
    elif workload == FAN_OUT:
        for readers in extent.fan_readers:
            yield Form.BYTES, 64, readers, 0
            yield Form.OBJECT, 64, readers, 0
        yield Form.BYTES, 65536, max(extent.fan_readers), 0
        yield Form.OBJECT, 65536, max(extent.fan_readers), 0
        for form in (Form.BYTES, Form.OBJECT):
            yield form, 64, max(extent.fan_readers), 1
    elif workload == PACED:
        for gap in extent.paced_ns:
            for form in (Form.BYTES, Form.OBJECT):
                yield form, 64, 1, gap
    else:
        for form in (Form.BYTES, Form.OBJECT):
            yield form, 64, 1, max(extent.silences_ms)


def fits(cell: Cell, peer: Described) -> bool:
    """Objects beside bytes only where they are what is compared: in pairs, or from peers that have
    nothing else."""
    if cell.form not in peer.forms or cell.size_bytes not in peer.sizes:
        return False
    if cell.workload != PAIR and cell.form is Form.OBJECT and Form.BYTES in peer.forms:
        return False
    if cell.form is Form.BATCH and cell.size_bytes > 4096:
        return False  # of large messages few make a batch, and the copy is what counts
    if cell.workload == FAN_OUT and peer.readers_max < READERS_MOST:
        return False
    return cell.readers <= peer.readers_max


def job(cell: Cell, extent: Extent, cores: Tuple[int, ...], patience_s: float) -> Job:
    steps = tuple(_steps(cell, extent))
    long_s = sum(_seconds(step) for step in steps)
    return Job(
        form=cell.form,
        size_bytes=cell.size_bytes,
        readers=cell.readers,
        cores=cores,
        is_pinned=cell.is_pinned,
        steps=steps,
        deadline_s=2 * long_s + patience_s,
    )


def _steps(cell: Cell, extent: Extent) -> Iterator[Step]:
    most = extent.messages
    if cell.gap_ms:
        yield _paced(cell, extent)
        return
    if cell.workload == PAIR and cell.form is not Form.BATCH:
        yield Ping(extent.ping_ns, most)
    yield Stream(extent.stream_ns // 5, most)  # touches all memory once; is not counted
    yield Stream(extent.stream_ns, most)


def _paced(cell: Cell, extent: Extent) -> Paced:
    gaps = [MS] * WARM_WAKES
    if cell.workload == SILENCE:
        gaps += [silence * MS for silence in extent.silences_ms[: extent.messages]]
    else:
        long_ns = extent.paced_ns.get(cell.gap_ms, 0)
        gaps += [cell.gap_ms * MS] * (extent.messages or long_ns // (cell.gap_ms * MS))
    return Paced(tuple(gaps), WARM_WAKES)


def _seconds(step: Step) -> float:
    if isinstance(step, Paced):
        return sum(step.gaps_ns) / 1e9
    return step.ns / 1e9


@dataclass(frozen=True)
class Turn:
    """One repetition that is due."""

    round: int
    cell: Cell
    alias: str


def turns(cells: Sequence[Cell], peers: Sequence[Described], extent: Extent) -> Iterator[Turn]:
    for round_ in range(max(extent.rounds.values())):
        for cell in cells:
            if round_ >= extent.rounds[cell.workload]:
                continue
            absent = extent.not_in_pairs if cell.workload == PAIR else ()
            able = [peer.alias for peer in peers if fits(cell, peer) and peer.alias not in absent]
            for alias in able if round_ % 2 == 0 else reversed(able):
                yield Turn(round_, cell, alias)
