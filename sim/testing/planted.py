"""Transports with one bug each, to show that the checkers catch them: never use them for data.

Each wraps the sound cursor_ring and goes wrong in the process that runs it, so that its bug is
found in a real history. A reader end that alters what it delivers keeps the flight record
itself, because the record must tell what the process really got, not what the ring held.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import logging
import os
from contextlib import contextmanager
from typing import Any, Callable, ClassVar, ContextManager, Iterator, Mapping, Optional, Sequence

from cy_kernels.choice import kernels
from cy_kernels.errors import RingClosed, RingEnded, RingEvicted, RingTimeout
from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd
from sim.history.op import CLOSED, ENDED, EVICTED, FAIL, INVOKE, OK, RECEIVE, TIMEOUT
from sim.transport.cursor_ring import CursorRing

LOGGER_NAME = "spinbed.planted"
EVERY = 10  # every tenth message is treated badly: several even in a short scenario
QUIT_STATUS = 3
FORGOTTEN_BYTES = 4096

SOUND = CursorRing()
OUTCOMES = {RingTimeout: TIMEOUT, RingEnded: ENDED, RingClosed: CLOSED, RingEvicted: EVICTED}

Source = Callable[[int], bytes]  # absolute deadline -> the next message


@dataclasses.dataclass(frozen=True)
class Planted:
    """The sound cursor_ring, with what it opens passed through `reader_bug` and `writer_bug`.

    A reader bug gets the recorder, and the sound end it wraps has none, if `keeps_record`.
    """

    alias: str
    doc: str
    reader_bug: Callable[[ReaderEnd, Optional[memoryview]], ReaderEnd] = lambda end, recorder: end
    writer_bug: Callable[[WriterEnd, Regions], WriterEnd] = lambda end, regions: end
    keeps_record: bool = False
    knows_owner: ClassVar[bool] = True
    message_overhead_bytes: ClassVar[int] = SOUND.message_overhead_bytes
    mutants: ClassVar[Sequence[str]] = ()
    orders: ClassVar[Sequence[str]] = SOUND.orders

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        SOUND.create(spec, regions)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        sound = SOUND.writer(spec, regions, wait=wait, recorder=recorder)
        return self.writer_bug(sound, regions)

    def reader(
        self,
        spec: TransportSpec,
        regions: Regions,
        rank: int,
        *,
        wait: str,
        recorder: Optional[memoryview],
    ) -> ReaderEnd:
        kept = None if self.keeps_record else recorder
        sound = SOUND.reader(spec, regions, rank, wait=wait, recorder=kept)
        return self.reader_bug(sound, recorder)

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        return SOUND.describe(spec, regions)


class AlteringReader:
    """A reader end that delivers what `alter` makes of the ring's messages, and records that."""

    def __init__(
        self, inner: ReaderEnd, alter: Callable[[Source], Source], recorder: Optional[memoryview]
    ) -> None:
        self._inner = inner
        self._next = alter(inner.receive)
        self._recorder = recorder
        self._position = 0
        self.kernels = inner.kernels
        self.wait = inner.wait

    def _record(self, type: str, payload: bytes = b"", outcome: Optional[str] = None) -> None:
        if self._recorder is not None:
            flight_recorder = kernels().recorder
            checksum = flight_recorder.checksum(payload) if type == OK else 0
            flight_recorder.append(
                self._recorder, type, RECEIVE, self._position, len(payload), checksum, outcome
            )

    def receive(self, deadline_ns: int) -> bytes:
        self._record(INVOKE)
        try:
            payload = self._next(deadline_ns)
        except tuple(OUTCOMES) as error:
            self._record(FAIL, outcome=OUTCOMES[type(error)])
            raise
        self._record(OK, payload)
        self._position += 1
        return payload

    @contextmanager
    def receiving(self, deadline_ns: int) -> Iterator[memoryview]:
        yield memoryview(self.receive(deadline_ns))

    def close(self) -> None:
        self._inner.close()


def _forgetting(source: Source) -> Source:
    count = 0

    def receive(deadline_ns: int) -> bytes:
        nonlocal count
        count += 1
        if count % EVERY == 0:
            source(deadline_ns)
        return source(deadline_ns)

    return receive


def _repeating(source: Source) -> Source:
    count = 0
    last = b""

    def receive(deadline_ns: int) -> bytes:
        nonlocal count, last
        count += 1
        if count % EVERY != 0:
            last = source(deadline_ns)
        return last

    return receive


def _swapping(source: Source) -> Source:
    count = 0
    held: Optional[bytes] = None

    def receive(deadline_ns: int) -> bytes:
        nonlocal count, held
        if held is not None:
            message, held = held, None
            return message
        message = source(deadline_ns)
        count += 1
        if count % EVERY != 0:
            return message
        try:
            later = source(deadline_ns)
        except (RingEnded, RingTimeout):
            return message
        held = message
        return later

    return receive


def _tearing(source: Source) -> Source:
    count = 0
    last = b""

    def receive(deadline_ns: int) -> bytes:
        nonlocal count, last
        message = source(deadline_ns)
        count += 1
        half = len(message) // 2
        torn = last[:half] + message[half:] if count % EVERY == 0 else message
        last = message
        return torn

    return receive


class DeafReader:
    """A reader end that waits for ever, whatever deadline it is given."""

    def __init__(self, inner: ReaderEnd) -> None:
        self._inner = inner
        self.kernels = inner.kernels
        self.wait = inner.wait

    def receive(self, deadline_ns: int) -> bytes:
        return self._inner.receive(-1)

    def receiving(self, deadline_ns: int) -> ContextManager[memoryview]:
        return self._inner.receiving(-1)

    def close(self) -> None:
        self._inner.close()


class CrashingReader:
    """A reader end that reads address zero once there are no more messages."""

    def __init__(self, inner: ReaderEnd) -> None:
        self._inner = inner
        self.kernels = inner.kernels
        self.wait = inner.wait

    def receive(self, deadline_ns: int) -> bytes:
        try:
            return self._inner.receive(deadline_ns)
        except RingEnded:
            ctypes.string_at(0)  # SIGSEGV
            raise

    @contextmanager
    def receiving(self, deadline_ns: int) -> Iterator[memoryview]:
        yield memoryview(self.receive(deadline_ns))

    def close(self) -> None:
        self._inner.close()


class QuittingWriter:
    """A writer end that takes its process along when it is closed."""

    def __init__(self, inner: WriterEnd) -> None:
        self._inner = inner
        self.kernels = inner.kernels
        self.wait = inner.wait

    @property
    def position(self) -> int:
        return self._inner.position

    def send(self, payload: bytes, deadline_ns: int) -> int:
        return self._inner.send(payload, deadline_ns)

    def end(self) -> None:
        self._inner.end()

    def close(self) -> None:
        self._inner.close()
        os._exit(QUIT_STATUS)


def _deaf(reader: ReaderEnd, recorder: Optional[memoryview]) -> ReaderEnd:
    return DeafReader(reader)


def _crashing(reader: ReaderEnd, recorder: Optional[memoryview]) -> ReaderEnd:
    return CrashingReader(reader)


def _quitting(writer: WriterEnd, regions: Regions) -> WriterEnd:
    return QuittingWriter(writer)


def _warning(writer: WriterEnd, regions: Regions) -> WriterEnd:
    logging.getLogger(LOGGER_NAME).warning("the ring is warmer than it should be")
    return writer


def _leaking(writer: WriterEnd, regions: Regions) -> WriterEnd:
    regions.create("forgotten", FORGOTTEN_BYTES, reserve=True)
    return writer


def _altering(name: str, doc: str, alter: Callable[[Source], Source]) -> Callable[[], Planted]:
    def wrap(end: ReaderEnd, recorder: Optional[memoryview]) -> ReaderEnd:
        return AlteringReader(end, alter, recorder)

    return functools.partial(
        Planted, alias=f"{__name__}:{name}", doc=doc, reader_bug=wrap, keeps_record=True
    )


def _planted(name: str, doc: str, **bugs: Any) -> Callable[[], Planted]:
    return functools.partial(Planted, alias=f"{__name__}:{name}", doc=doc, **bugs)


# What scenario files name: kind = "sim.testing.planted:<name>".
ForgettingRing = _altering("ForgettingRing", "loses every tenth message", _forgetting)
RepeatingRing = _altering("RepeatingRing", "delivers every tenth message twice", _repeating)
SwappingRing = _altering("SwappingRing", "swaps every tenth message with the next", _swapping)
TearingRing = _altering("TearingRing", "mixes every tenth message with the last", _tearing)
DeafRing = _planted("DeafRing", "readers forget their deadlines", reader_bug=_deaf)
CrashingRing = _planted("CrashingRing", "readers die of SIGSEGV at the end", reader_bug=_crashing)
QuittingRing = _planted("QuittingRing", "the writer leaves with status 3", writer_bug=_quitting)
WarningRing = _planted("WarningRing", "the writer logs a warning", writer_bug=_warning)
LeakyRing = _planted("LeakyRing", "the writer leaves a region behind", writer_bug=_leaking)
