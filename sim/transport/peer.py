"""Transports of others behind the seam: framing, positions and the record of what was done.

Each message goes as a frame, 8 bytes of its position, little-endian, and its bytes; the end of the
stream is a frame without bytes at the position END. What really carries frames is a Carrier.
Positions are kept beside it, in a region of one word for the writer and one for each reader, so
that a successor goes on where its predecessor stopped. The writer counts a frame when the peer has
taken it, a reader when it has it in its hands.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Iterator, List, Mapping, Optional, Protocol, Sequence, Tuple

from cy_kernels.choice import kernels
from cy_kernels.errors import RingEnded, RingTimeout
from cy_kernels.pure.clock import monotonic_ns
from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd
from sim.history.op import ENDED, FAIL, INVOKE, OK, RAISED, RECEIVE, SEND, TIMEOUT

REGION = "positions"
WORD_BYTES = 8
END = (1 << 63) - 1
END_WITHIN_NS = 2_000_000_000  # for the last frame, which has no deadline of its own
OWN_WAIT = "its own"


class Outlet(Protocol):
    """Where the frames for one or all readers go in. `deadline_ns` as in sim.abc."""

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        """False: it was not taken by then."""

    def close(self) -> None: ...


class Inlet(Protocol):
    """Where one reader gets its frames."""

    def get(self, deadline_ns: int) -> Optional[bytes]:
        """None: there was none by then."""

    def close(self) -> None: ...


class Carrier(Protocol):
    """What another library offers, with names that the run gives."""

    def create(self, spec: TransportSpec, regions: Regions) -> None: ...

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        """One for each reader, in the order of ranks, where it goes from one to one; or one."""

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet: ...


@dataclass(frozen=True)
class PeerTransport:
    """Satisfies sim.abc.Transport. Nothing of the peer is imported before it is run."""

    alias: str
    doc: str
    home: str  # "module:class" of its Carrier
    package: str = ""  # which it imports; "" where Python itself has it
    distribution: str = ""  # what pip installs for it
    drops: bool = False  # what a reader has no room for, rather than wait
    knows_owner: ClassVar[bool] = True
    message_overhead_bytes: ClassVar[int] = WORD_BYTES
    mutants: ClassVar[Sequence[str]] = ()
    orders: ClassVar[Sequence[str]] = ()

    def lack(self) -> Optional[str]:
        """Why it cannot run in this interpreter; None where it can."""
        if not self.package or importlib.util.find_spec(self.package) is not None:
            return None
        return f"{self.alias} needs {self.distribution}, which is not installed: spinbed[peers]"

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        regions.create(REGION, WORD_BYTES * (1 + spec.readers), reserve=True)
        self._carrier().create(spec, regions)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        outlets = self._carrier().outlets(spec, regions)
        return PeerWriter(outlets, _Record(recorder, SEND), regions.attach(REGION).cast("Q"))

    def reader(
        self,
        spec: TransportSpec,
        regions: Regions,
        rank: int,
        *,
        wait: str,
        recorder: Optional[memoryview],
    ) -> ReaderEnd:
        inlet = self._carrier().inlet(spec, regions, rank)
        positions = regions.attach(REGION).cast("Q")
        return PeerReader(inlet, _Record(recorder, RECEIVE), positions, 1 + rank)

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        writer, *readers = regions.attach(REGION).cast("Q")
        return {"sent": writer, "received": readers}

    def _carrier(self) -> Carrier:
        module, _, name = self.home.partition(":")
        made: Carrier = getattr(importlib.import_module(module), name)()
        return made


class _Record:
    """The lines of one end's operations in its flight recorder, if it has one."""

    def __init__(self, recorder: Optional[memoryview], f: str) -> None:
        self._memory, self._f = recorder, f
        self._recorder = kernels().recorder

    def add(
        self, type: str, position: int, payload: bytes = b"", outcome: Optional[str] = None
    ) -> None:
        if self._memory is not None:
            has_content = type == OK or (type == INVOKE and self._f == SEND)
            checksum = self._recorder.checksum(payload) if has_content else 0
            self._recorder.append(
                self._memory, type, self._f, position, len(payload), checksum, outcome
            )


class PeerWriter:
    """To several outlets a message goes one after the other: a send that was late is finished by
    the next one of the same message, which those that have it already do not get again."""

    def __init__(self, outlets: Sequence[Outlet], record: _Record, positions: memoryview) -> None:
        self._outlets, self._record, self._positions = outlets, record, positions
        self._begun: Tuple[bytes, int] = (b"", 0)  # the frame, and how many outlets have taken it
        self.kernels = kernels().kind
        self.wait = OWN_WAIT

    @property
    def position(self) -> int:
        return int(self._positions[0])

    def send(self, payload: bytes, deadline_ns: int) -> int:
        position = self.position
        self._record.add(INVOKE, position, payload)
        if not self._put(_frame(position, payload), deadline_ns):
            self._record.add(FAIL, position, payload, TIMEOUT)
            raise RingTimeout(f"message {position} was not taken in time")
        self._positions[0] = position + 1
        self._record.add(OK, position, payload)
        return position

    def _put(self, frame: bytes, deadline_ns: int) -> bool:
        taken = self._begun[1] if self._begun[0] == frame else 0
        for index in range(taken, len(self._outlets)):
            if not self._outlets[index].put(frame, deadline_ns):
                self._begun = (frame, index)
                return False
        self._begun = (b"", 0)
        return True

    def end(self) -> None:
        """Readers that do not take it in time are not told."""
        for outlet in self._outlets:
            outlet.put(_frame(END, b""), monotonic_ns() + END_WITHIN_NS)

    def shutdown(self) -> None:
        """A peer has no other way to say that it is over."""
        self.end()

    def close(self) -> None:
        _close(self._outlets)
        self._outlets = ()


class PeerReader:
    def __init__(self, inlet: Inlet, record: _Record, positions: memoryview, index: int) -> None:
        self._inlets: List[Inlet] = [inlet]
        self._record, self._positions, self._index = record, positions, index
        self.kernels = kernels().kind
        self.wait = OWN_WAIT

    def receive(self, deadline_ns: int) -> bytes:
        position, payload = self._next(deadline_ns)
        self._record.add(OK, position, payload)
        return payload

    @contextmanager
    def receiving(self, deadline_ns: int) -> Iterator[memoryview]:
        position, payload = self._next(deadline_ns)
        try:
            yield memoryview(payload)
        except BaseException:
            self._record.add(FAIL, position, outcome=RAISED)
            raise
        self._record.add(OK, position, payload)

    def _next(self, deadline_ns: int) -> Tuple[int, bytes]:
        expected = int(self._positions[self._index])
        self._record.add(INVOKE, expected)
        frame = self._inlets[0].get(deadline_ns)
        if frame is None:
            self._record.add(FAIL, expected, outcome=TIMEOUT)
            raise RingTimeout(f"message {expected} did not come in time")
        position, payload = int.from_bytes(frame[:WORD_BYTES], "little"), frame[WORD_BYTES:]
        if position == END:
            self._record.add(FAIL, expected, outcome=ENDED)
            raise RingEnded("the writer has ended")
        if position > END:  # no frame of ours: what was read is judged by its content
            position = expected
        self._positions[self._index] = position + 1
        return position, payload

    def close(self) -> None:
        _close(self._inlets)
        self._inlets = []


def seconds_left(deadline_ns: int) -> Optional[float]:
    """None: for ever."""
    return None if deadline_ns < 0 else max(0, deadline_ns - monotonic_ns()) / 1e9


def _frame(position: int, payload: bytes) -> bytes:
    return position.to_bytes(WORD_BYTES, "little") + payload


def _close(ends: Sequence[Any]) -> None:
    for end in ends:
        end.close()
