"""no_duplicates: no reader got a message twice."""

from __future__ import annotations

from typing import ClassVar, Dict, Iterable, List, Optional, Sequence

from sim.abc import Result
from sim.checkers.deliveries import DELIVERED, Life, traffic
from sim.checkers.finding import Finding, judged, overflowed
from sim.history.history import History
from sim.history.op import RAISED


class NoDuplicates:
    """A reader's ok is recorded before its slot is released. A death in between repeats that one
    message in the next incarnation: the price of never losing it, and the only repeat allowed.
    """

    alias: ClassVar[str] = "no_duplicates"
    doc: ClassVar[str] = "no reader receives a message twice"

    def check(self, history: History) -> Result:
        unknown = overflowed(self.alias, history)
        if unknown is not None:
            return unknown
        findings: List[Finding] = []
        for lives in traffic(history).lives.values():
            for life in lives:
                findings.extend(_within(life))
            if history.header.knows_owner:
                findings.extend(_across(lives))
        return judged(self.alias, findings)


def _within(life: Life) -> Iterable[Finding]:
    first: Dict[int, int] = {}
    for event in life.taken:
        if event.kind not in (DELIVERED, RAISED):  # what was dropped by raising was handed out too
            continue
        if event.number in first:
            place = f"{life.reader}: incarnation {life.incarnation}"
            why = f"{place} received message {event.number} a second time"
            yield Finding(why, (event.op, first[event.number]))
        else:
            first[event.number] = event.op


def _across(lives: Sequence[Life]) -> Iterable[Finding]:
    first: Dict[int, int] = {}
    unreleased: Optional[int] = None
    for life in lives:
        for number in sorted(life.numbers.intersection(first)):
            if number == unreleased:
                continue
            op = next(t.op for t in life.taken if t.kind == DELIVERED and t.number == number)
            why = (
                f"{life.reader}: incarnation {life.incarnation} received message {number}, which "
                "an earlier incarnation had received and released"
            )
            yield Finding(why, (op, first[number]))
        for event in life.taken:
            if event.kind == DELIVERED:
                first.setdefault(event.number, event.op)
        if life.taken:
            unreleased = life.unreleased
