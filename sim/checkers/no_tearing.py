"""no_tearing: what a reader got is, byte for byte, a message that was sent."""

from __future__ import annotations

from typing import ClassVar, List, Optional

from sim.abc import Result
from sim.checkers.deliveries import PHANTOM, TORN, Taken, Traffic, traffic
from sim.checkers.finding import Finding, judged, overflowed
from sim.history.history import History


class NoTearing:
    """Size and checksum of every receive match a send. One that timed out claimed nothing, so
    its bytes must not arrive either.
    """

    alias: ClassVar[str] = "no_tearing"
    doc: ClassVar[str] = "every message received is whole: the bytes of one that was sent"

    def check(self, history: History) -> Result:
        unknown = overflowed(self.alias, history)
        if unknown is not None:
            return unknown
        seen = traffic(history)
        findings: List[Finding] = []
        for reader, lives in seen.lives.items():
            for life in lives:
                for event in life.taken:
                    if event.kind in (TORN, PHANTOM):
                        findings.append(_broken(reader, event, seen, history))
        return judged(self.alias, findings)


def _broken(reader: str, event: Taken, seen: Traffic, history: History) -> Finding:
    op = history.ops[event.op]
    got = f"{op.size_bytes} bytes with checksum {_hex(op.checksum)}"
    place = f"{reader}: incarnation {op.incarnation} received at position {op.position} {got}"
    if event.kind == PHANTOM:
        invoke = seen.sent.failed[op.size_bytes, op.checksum]
        number = history.ops[invoke].position
        return Finding(f"{place}: the send of message {number} that timed out", (event.op, invoke))
    expected = seen.sent.contents.get(event.number)
    if not expected:
        return Finding(f"{place}: nothing was ever sent there", (event.op,))
    size_bytes, checksum = expected[-1]
    what = f"{size_bytes} bytes with checksum {_hex(checksum)}"
    ops = (event.op, seen.sent.ok[event.number]) if event.number in seen.sent.ok else (event.op,)
    return Finding(f"{place}: no message; expected {what}", ops)


def _hex(checksum: Optional[int]) -> str:
    return "none" if checksum is None else f"{checksum:#x}"
