"""fifo: each reader got its messages in the order in which they were sent."""

from __future__ import annotations

from typing import ClassVar, Iterable, List, Optional, Set

from sim.abc import Result
from sim.checkers.deliveries import DELIVERED, Life, Taken, traffic
from sim.checkers.finding import Finding, judged, overflowed
from sim.history.history import History


class Fifo:
    """Only a message's first delivery counts: a second one is what no_duplicates is for."""

    alias: ClassVar[str] = "fifo"
    doc: ClassVar[str] = "each reader receives messages in the order in which they were sent"

    def check(self, history: History) -> Result:
        unknown = overflowed(self.alias, history)
        if unknown is not None:
            return unknown
        findings: List[Finding] = []
        for lives in traffic(history).lives.values():
            for life in lives:
                findings.extend(_out_of_order(life))
        return judged(self.alias, findings)


def _out_of_order(life: Life) -> Iterable[Finding]:
    seen: Set[int] = set()
    highest: Optional[Taken] = None
    for event in life.taken:
        if event.kind != DELIVERED or event.number in seen:
            continue
        seen.add(event.number)
        if highest is None or event.number > highest.number:
            highest = event
            continue
        why = (
            f"{life.reader}: incarnation {life.incarnation} received message {event.number} "
            f"after message {highest.number}"
        )
        yield Finding(why, (event.op, highest.op))
