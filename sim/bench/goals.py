"""What this ring is to reach beside its peers, each as a ratio or a figure of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from sim.bench.measures import (
    CPU,
    HALF,
    IDLE_CPU,
    OURS,
    P99,
    RATE,
    READER_CPU,
    WAKE,
    WAKE_P99,
    Measure,
    cost_of_recording,
    figure,
    itself,
    over,
    over_best,
    over_form,
    under,
    worst_strategy,
)
from sim.bench.peer import READERS_MOST, Form
from sim.bench.plan import FAN_OUT, PACED, PAIR, SILENCE, Cell
from sim.bench.rows import Rows, Spread

AGAIN = "spinbed-again"
KIB4, KIB64, MIB = 4096, 65536, 1 << 20


@dataclass(frozen=True)
class Goal:
    """`at_most` or `at_least` of what `measure` finds in a cell of each placement.

    Of ratios the median of the rounds counts; with `every_round` their worst.
    """

    part: str
    text: str
    measure: Measure
    cell: Cell  # unpinned
    at_most: Optional[float] = None
    at_least: Optional[float] = None
    unit: str = "x"
    rows: str = ""  # from which it comes
    every_round: bool = False

    def is_met(self, found: Spread) -> bool:
        if self.at_most is not None:
            return (found.high if self.every_round else found.median) <= self.at_most
        assert self.at_least is not None
        return (found.low if self.every_round else found.median) >= self.at_least

    @property
    def bound(self) -> str:
        sign, value = ("<=", self.at_most) if self.at_most is not None else (">=", self.at_least)
        return f"{sign} {value:g} {self.unit}"


@dataclass(frozen=True)
class Outcome:
    goal: Goal
    placements: Tuple[Tuple[str, Optional[Spread], Optional[Spread]], ...]  # name, found, noise

    @property
    def verdict(self) -> str:
        """Where it was measured pinned and unpinned, it is met only where it is met in both."""
        met = {
            name: self.goal.is_met(found) for name, found, _ in self.placements if found is not None
        }
        if not met:
            return "not measured"
        if all(met.values()):
            said = "met"
        else:
            said = f"met {', '.join(name for name in met if met[name])} only"
            said = said if any(met.values()) else "not met"
        return f"{said}, within noise" if self._is_within_noise else said

    @property
    def _is_within_noise(self) -> bool:
        """A figure is no further from its bound than this ring is from itself."""
        bound = self.goal.at_most if self.goal.at_most is not None else self.goal.at_least
        for _, found, noise in self.placements:
            if found is None or noise is None or not bound or found.median <= 0 or noise.low <= 0:
                continue
            apart = abs(math.log(found.median / bound))
            if apart <= max(abs(math.log(noise.low)), abs(math.log(noise.high))):
                return True
        return False


def outcomes(rows: Rows) -> List[Outcome]:
    placements = [("unpinned", False), ("pinned", True)]
    found = []
    for goal in GOALS:
        each = []
        for name, is_pinned in placements:
            cell = placed(goal.cell, is_pinned)
            if any(cell == other for other in rows.cells()):
                each.append((name, goal.measure(rows, cell), _noise(rows, goal, cell)))
        found.append(Outcome(goal, tuple(each)))
    return found


def placed(cell: Cell, is_pinned: bool) -> Cell:
    return Cell(cell.workload, cell.form, cell.size_bytes, cell.readers, cell.gap_ms, is_pinned)


def _noise(rows: Rows, goal: Goal, cell: Cell) -> Optional[Spread]:
    """The same figure of this ring over that of itself, in the same cell."""
    name = {PACED: WAKE, SILENCE: WAKE}.get(cell.workload, RATE)
    if "p50" in goal.text and cell.workload == PAIR:
        name = HALF
    return rows.ratio(OURS, AGAIN, cell, name)


def _pair(form: Form, size_bytes: int) -> Cell:
    return Cell(PAIR, form, size_bytes, 1, 0, False)


RAW, OBJECTS, WAITING, READERS, EVIDENCE = "Bytes", "Objects", "Waiting", "Readers", "Evidence"
SMALL, DICTS = _pair(Form.BYTES, 64), _pair(Form.OBJECT, 64)
ARRAY = _pair(Form.ARRAY, MIB)
ONE_MS = Cell(PACED, Form.BYTES, 64, 1, 1, False)
TEN_MS = Cell(PACED, Form.BYTES, 64, 1, 10, False)
SILENT = Cell(SILENCE, Form.BYTES, 64, 1, 2000, False)
CROWD = Cell(FAN_OUT, Form.BYTES, 64, READERS_MOST, 0, False)
CROWD_1MS = Cell(FAN_OUT, Form.BYTES, 64, READERS_MOST, 1, False)

GOALS: Sequence[Goal] = (
    Goal(RAW, "64 B: p50 beside subetha's", over("subetha", HALF), SMALL, at_most=0.7),
    Goal(RAW, "64 B: ahead of iceoryx2 polling, p50", under("iceoryx2", HALF), SMALL, at_least=13),
    Goal(
        RAW,
        "64 B: ahead of vLLM, p50",
        under("vllm", HALF, Form.OBJECT),
        SMALL,
        at_least=60,
        rows="bytes beside vLLM's objects",
    ),
    Goal(RAW, "64 B: p99 beside p50", itself(P99, HALF), SMALL, at_most=2),
    Goal(RAW, "64 B: messages/s beside subetha", over("subetha", RATE), SMALL, at_least=2),
    Goal(
        RAW,
        "4 KiB: messages/s beside the best lossless peer",
        over_best(RATE, is_less_better=False),
        _pair(Form.BYTES, KIB4),
        at_least=3,
    ),
    Goal(
        RAW,
        "64 KiB: messages/s beside the best lossless peer",
        over_best(RATE, is_less_better=False),
        _pair(Form.BYTES, KIB64),
        at_least=1.7,
    ),
    Goal(
        RAW,
        "64 KiB in place: p50 beside iceoryx2's copies",
        over("iceoryx2", HALF, Form.BYTES),
        _pair(Form.VIEW, KIB64),
        at_most=0.3,
    ),
    Goal(
        RAW,
        "1 MiB: messages/s beside iceoryx2",
        over("iceoryx2", RATE),
        _pair(Form.BYTES, MIB),
        at_least=1,
    ),
    Goal(
        RAW,
        "64 B: batches beside single calls, messages/s",
        over_form(Form.BYTES, RATE),
        _pair(Form.BATCH, 64),
        at_least=2,
    ),
    Goal(OBJECTS, "64 B: p50 beside vLLM's", over("vllm", HALF), DICTS, at_most=0.2),
    Goal(OBJECTS, "64 B: messages/s beside vLLM", over("vllm", RATE), DICTS, at_least=8),
    Goal(
        OBJECTS,
        "64 B: p50 beside the best peer",
        over_best(HALF, is_less_better=True),
        DICTS,
        at_most=1,
    ),
    Goal(
        OBJECTS,
        "64 B: messages/s beside the best peer",
        over_best(RATE, is_less_better=False),
        DICTS,
        at_least=1,
    ),
    Goal(
        OBJECTS,
        "1 MiB array copied out: p50 beside vLLM's, in every round",
        over("vllm", HALF),
        ARRAY,
        at_most=1,
        every_round=True,
    ),
    Goal(
        OBJECTS,
        "1 MiB array in place: p50 beside copied out",
        over_form(Form.ARRAY, HALF),
        _pair(Form.ARRAY_VIEW, MIB),
        at_most=0.5,
    ),
    Goal(WAITING, "every 1 ms: p50 beside kickmsg's", over("kickmsg", WAKE), ONE_MS, at_most=1.2),
    Goal(WAITING, "every 1 ms: the reader's core", figure(READER_CPU), ONE_MS, at_most=1, unit="%"),
    Goal(
        WAITING,
        "every 1 ms, told to spin: p50",
        figure(WAKE, "spinbed-spin"),
        ONE_MS,
        at_most=1,
        unit="us",
    ),
    Goal(
        WAITING, "every 10 ms: the reader's core", figure(READER_CPU), TEN_MS, at_most=0.3, unit="%"
    ),
    Goal(WAITING, "every 10 ms: p50 beside kickmsg's", over("kickmsg", WAKE), TEN_MS, at_most=1),
    Goal(
        WAITING,
        "2 s of silence: the reader's core",
        figure(IDLE_CPU),
        SILENT,
        at_most=0.1,
        unit="%",
    ),
    Goal(
        READERS,
        "4 readers: messages/s beside zmq PUB",
        over("zmq-pub", RATE),
        CROWD,
        at_least=4,
    ),
    Goal(
        READERS,
        "4 readers every 1 ms: all five processes",
        figure(CPU),
        CROWD_1MS,
        at_most=15,
        unit="%",
    ),
    Goal(
        READERS,
        "4 readers every 1 ms: p99",
        figure(WAKE_P99),
        CROWD_1MS,
        at_most=100,
        unit="us",
    ),
    Goal(
        READERS,
        "4 readers: the slowest way to wait beside zmq PUB, messages/s",
        worst_strategy,
        CROWD,
        at_least=1,
    ),
    *(
        Goal(
            EVIDENCE,
            f"{text}: recorder and gate take, of the messages/s",
            cost_of_recording,
            _pair(Form.BYTES, size),
            at_most=most,
            unit="%",
        )
        for text, size, most in (("64 B", 64, 15), ("4 KiB", KIB4, 3), ("64 KiB", KIB64, 3))
    ),
)
