"""A transport whose ends give way to each other for ever: a livelock, to be told as one.

The sound cursor_ring, before whose operations each process announces in shared memory that it has
one, and goes first only after PATIENCE rounds in which nobody else has announced any.
From the GIVES_WAY_FROM-th operation of each on: until then they take no notice of each other.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence

from cy_kernels.choice import kernels
from cy_kernels.errors import RingEnded
from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd
from sim.history.op import ENDED, FAIL, INVOKE, OK, RECEIVE, SEND
from sim.transport.cursor_ring import CursorRing

GIVES_WAY_FROM = 20
PATIENCE = 20_000  # rounds: a process that gets no core for as many lets another go first
REGION = "courtesy"
WORD_BYTES = 8
SOUND = CursorRing()


class PoliteRing:
    alias: ClassVar[str] = f"{__name__}:PoliteRing"
    doc: ClassVar[str] = "cursor_ring whose processes give way to each other for ever"
    knows_owner: ClassVar[bool] = True
    message_overhead_bytes: ClassVar[int] = SOUND.message_overhead_bytes
    mutants: ClassVar[Sequence[str]] = ()
    orders: ClassVar[Sequence[str]] = SOUND.orders

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        SOUND.create(spec, regions)
        regions.create(REGION, WORD_BYTES * (1 + spec.readers), reserve=True)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        sound = SOUND.writer(spec, regions, wait=wait, recorder=None)
        return _PoliteWriter(sound, _Courtesy(regions, 0), recorder)

    def reader(
        self,
        spec: TransportSpec,
        regions: Regions,
        rank: int,
        *,
        wait: str,
        recorder: Optional[memoryview],
    ) -> ReaderEnd:
        sound = SOUND.reader(spec, regions, rank, wait=wait, recorder=None)
        return _PoliteReader(sound, _Courtesy(regions, 1 + rank), recorder)

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        announced = list(regions.attach(REGION).cast("Q"))
        return {**SOUND.describe(spec, regions), "announced": announced}


class _Courtesy:
    """A count for each process, which only that one writes."""

    def __init__(self, regions: Regions, mine: int) -> None:
        self._counts = regions.attach(REGION).cast("Q")
        self._mine = mine
        self._operations = 0

    def await_turn(self) -> None:
        self._operations += 1
        rounds = 0 if self._operations >= GIVES_WAY_FROM else PATIENCE
        others = self._others()
        while rounds < PATIENCE:
            self._counts[self._mine] += 1
            os.sched_yield()
            rounds += 1
            if self._others() != others:
                rounds, others = 0, self._others()

    def _others(self) -> int:
        return sum(self._counts) - int(self._counts[self._mine])


class _Recorded:
    """Keeps the record of its operations, which begin before it is its turn."""

    def __init__(self, inner: Any, courtesy: _Courtesy, recorder: Optional[memoryview]) -> None:
        self._inner, self._courtesy, self._recorder = inner, courtesy, recorder
        self.kernels = inner.kernels
        self.wait = inner.wait

    def _record(
        self, type: str, f: str, position: int, payload: bytes, outcome: Optional[str] = None
    ) -> None:
        if self._recorder is not None:
            flight_recorder = kernels().recorder
            checksum = flight_recorder.checksum(payload) if payload else 0
            flight_recorder.append(
                self._recorder, type, f, position, len(payload), checksum, outcome
            )

    def close(self) -> None:
        self._inner.close()


class _PoliteWriter(_Recorded):
    @property
    def position(self) -> int:
        return int(self._inner.position)

    def send(self, payload: bytes, deadline_ns: int) -> int:
        position = self.position
        self._record(INVOKE, SEND, position, payload)
        self._courtesy.await_turn()
        sent: int = self._inner.send(payload, deadline_ns)
        self._record(OK, SEND, position, payload)
        return sent

    def end(self) -> None:
        self._inner.end()


class _PoliteReader(_Recorded):
    _position = 0

    def receive(self, deadline_ns: int) -> bytes:
        self._record(INVOKE, RECEIVE, self._position, b"")
        self._courtesy.await_turn()
        try:
            payload: bytes = self._inner.receive(deadline_ns)
        except RingEnded:
            self._record(FAIL, RECEIVE, self._position, b"", ENDED)
            raise
        self._record(OK, RECEIVE, self._position, payload)
        self._position += 1
        return payload

    @contextmanager
    def receiving(self, deadline_ns: int) -> Iterator[memoryview]:
        yield memoryview(self.receive(deadline_ns))
