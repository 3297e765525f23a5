"""One incarnation of a simulated process, and its flight recorder's lines as ops."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Optional

from cy_kernels.recorder import FUNCTIONS, OUTCOMES, TYPES
from sim.history.op import EXIT, INFO, INVOKE, RAISED, READY, SPAWN, Op
from sim.scenario.plan import ProcessPlan
from sim.virtual.program import wait_of

KERNELS = "simulated"

# As RecordLine of cy_kernels/layout.pxd: stamp, position, checksum, size, type, function, outcome.
_LINE = struct.Struct("=QQQIBBH")


@dataclass
class Life:
    process: ProcessPlan
    index: int  # on the machine
    incarnation: int
    spawned_ns: int
    ready_ns: Optional[int] = None  # attached
    ended_ns: Optional[int] = None
    outcome: Optional[str] = None  # "0", "1", "SIGKILL", as in Op.outcome of an exit
    is_ended_by_run: bool = False
    records: bytes = b""  # once it has ended

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def is_over(self) -> bool:
        return self.outcome is not None

    def end(self, outcome: str, ended_ns: int, records: bytes) -> None:
        self.outcome, self.ended_ns, self.records = outcome, ended_ns, records

    def state(self) -> str:
        """Of one that is over, as sim.abc.World.state."""
        kind = "signalled" if self.outcome == "SIGKILL" else "exited"
        return f"{kind}:{self.outcome}"

    def events(self) -> Iterator[Op]:
        """What befell it, as the live world's supervisor would write it."""
        yield self._event(self.spawned_ns, SPAWN, {"pid": 0, "start": "simulated"})
        if self.ready_ns is not None:
            what = {"pid": 0, "python": "", "kernels": KERNELS, "start": "simulated"}
            waits = {"wait": wait_of(self.process), "wait_asked_for": self.process.wait}
            yield self._event(self.ready_ns, READY, {**what, **waits})
        if self.ended_ns is not None:
            detail: Dict[str, Any] = {"pid": 0, "stderr": ""}
            if self.is_ended_by_run:
                detail["ended_by"] = "run"
            yield self._event(self.ended_ns, EXIT, detail, self.outcome)

    def _event(
        self, at_ns: int, f: str, detail: Mapping[str, Any], outcome: Optional[str] = None
    ) -> Op:
        name, incarnation = self.name, self.incarnation
        return Op(at_ns, name, incarnation, INFO, f, outcome=outcome, detail=detail)

    def ops(self) -> Iterator[Op]:
        name, incarnation = self.name, self.incarnation
        for stamp, position, checksum, size_bytes, type_, f, how in _LINE.iter_unpack(self.records):
            has_content = checksum != 0  # else of no message: a receive that has none yet
            yield Op(
                stamp,
                name,
                incarnation,
                TYPES[type_],
                FUNCTIONS[f],
                position,
                size_bytes if has_content else None,
                checksum if has_content else None,
                OUTCOMES[how],
            )


def last_is_invoke(records: bytes) -> bool:
    """An operation is open."""
    return bool(records) and TYPES[_LINE.unpack(records[-_LINE.size :])[4]] == INVOKE


def last_raised(records: bytes) -> Optional[int]:
    """The size of the message in whose slot the last exception was raised, in bytes."""
    sizes = [line[3] for line in _LINE.iter_unpack(records) if OUTCOMES[line[6]] == RAISED]
    return sizes[-1] if sizes else None
