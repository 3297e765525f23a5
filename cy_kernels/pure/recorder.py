"""The flight recorder: 32-byte records in memory that outlives the process that writes them.

Stamps are CLOCK_MONOTONIC ns, since plain Python cannot read the CPU's counter. A recorder that a
compiled runner formatted says that its stamps are counter values; as it has one writer, the one
who writes its first record may decide otherwise, and a pure one says "ns" before it does. The
count is published after the record, so whoever drains a record sees the unit of its stamp.
"""

from __future__ import annotations

import struct
from typing import Any, List, NamedTuple, Optional

from cy_kernels.pure.clock import monotonic_ns
from cy_kernels.pure.layout import (
    CAPACITY,
    COUNT,
    FIRST_NS,
    FIRST_STAMP,
    OVERFLOWED,
    RECORD,
    RECORD_BYTES,
    RECORDER_HEADER_BYTES,
    RECORDER_MAGIC,
    RECORDER_MAGIC_WORD,
    STAMPS_ARE_TSC,
)
from cy_kernels.pure.memory import byte_view, observe, publish

HEADER_BYTES = RECORDER_HEADER_BYTES
TYPES = ("invoke", "ok", "fail", "info")
FUNCTIONS = ("send", "receive")
OUTCOMES = (None, "timeout", "ended", "closed", "raised", "evicted", "fenced", "error")

MASK = (1 << 64) - 1
HASH_SEED = 0x9E3779B97F4A7C15
HASH_FACTOR = 0xFF51AFD7ED558CCD

_RECORD = struct.Struct(RECORD)
assert _RECORD.size == RECORD_BYTES


class Record(NamedTuple):
    time_ns: int  # CLOCK_MONOTONIC
    type: str
    f: str
    position: int
    size_bytes: int
    checksum: int
    outcome: Optional[str]


def counter_is_constant() -> bool:
    """False: nothing here can read the counter, whatever its rate."""
    return False


def recorder_bytes(records: int) -> int:
    """Bytes of memory for so many records."""
    return HEADER_BYTES + records * RECORD_BYTES


def format_recorder(buffer: Any, records: int) -> None:
    """Make a buffer an empty recorder, with stamps in ns."""
    view = byte_view(buffer)
    if records < 0:
        raise ValueError(f"{records} is no number of records")
    needed_bytes = recorder_bytes(records)
    if len(view) < needed_bytes:
        raise ValueError(f"{records} records need {needed_bytes} bytes, not {len(view)}")
    view[:HEADER_BYTES] = bytes(HEADER_BYTES)
    header = view[:HEADER_BYTES].cast("Q")
    header[CAPACITY] = records
    header[FIRST_STAMP] = header[FIRST_NS] = monotonic_ns()
    publish(header, RECORDER_MAGIC_WORD, RECORDER_MAGIC)


def _header_of(buffer: Any) -> memoryview[int]:
    """Its words; a read-only buffer will do."""
    view = memoryview(buffer)
    if view.format != "B" or view.ndim != 1:
        view = view.cast("B")
    if len(view) >= HEADER_BYTES:
        header = view[:HEADER_BYTES].cast("Q")
        if header[RECORDER_MAGIC_WORD] == RECORDER_MAGIC:
            return header
    raise ValueError("the buffer was not made by format_recorder")


def _fitting(total: int, size: int) -> int:
    """Raises ValueError where a damaged header claims more than there is memory."""
    if recorder_bytes(total) > size:
        raise ValueError(f"{total} records do not lie in a buffer of {size} bytes")
    return total


def _readable(buffer: Any) -> int:
    header = _header_of(buffer)
    return _fitting(min(observe(header, COUNT), header[CAPACITY]), memoryview(buffer).nbytes)


def count(buffer: Any) -> int:
    """Records so far. Safe while the process writes them."""
    return observe(_header_of(buffer), COUNT)


def last_is_invoke(buffer: Any) -> bool:
    """True if an operation is open: the newest record is an invoke."""
    total = _readable(buffer)
    if total == 0:
        return False
    newest = _RECORD.unpack_from(buffer, HEADER_BYTES + (total - 1) * RECORD_BYTES)
    return bool(newest[4] == TYPES.index("invoke"))


def overflowed(buffer: Any) -> bool:
    """True if a record was dropped because the memory was full."""
    return bool(_header_of(buffer)[OVERFLOWED])


def records(buffer: Any, start: int = 0) -> List[Record]:
    """All records from `start` on. Raises ValueError where their stamps are counter values."""
    header = _header_of(buffer)
    total = _readable(buffer)
    if total > start and header[STAMPS_ARE_TSC]:
        raise ValueError("the stamps are values of the CPU's counter: only the compiled recorder "
                         "can turn them into ns")  # fmt: skip
    found = []
    for index in range(start, total):
        stamp, position, checksum, size_bytes, type, function, outcome = _RECORD.unpack_from(
            buffer, HEADER_BYTES + index * RECORD_BYTES
        )
        kind, f, how = TYPES[type & 3], FUNCTIONS[function & 1], OUTCOMES[outcome & 7]
        found.append(Record(stamp, kind, f, position, size_bytes, checksum, how))
    return found


class Recording:
    """A recorder held open by its one writer."""

    def __init__(self, buffer: Any) -> None:
        self._bytes = byte_view(buffer)
        self._header = _header_of(self._bytes)
        self._capacity = _fitting(self._header[CAPACITY], len(self._bytes))
        if self._header[STAMPS_ARE_TSC]:
            if self._header[COUNT]:
                self.close()
                raise ValueError("the recorder holds stamps of the CPU's counter, which plain "
                                 "Python cannot read: it cannot go on with ns")  # fmt: skip
            self._header[STAMPS_ARE_TSC] = 0

    def append(
        self,
        type: str,
        f: str,
        position: int,
        size_bytes: int,
        checksum: int,
        outcome: Optional[str] = None,
    ) -> None:
        codes = TYPES.index(type), FUNCTIONS.index(f), OUTCOMES.index(outcome)
        header = self._header
        index = header[COUNT]
        if index >= self._capacity:
            header[OVERFLOWED] = 1
            return
        at = HEADER_BYTES + index * RECORD_BYTES
        _RECORD.pack_into(self._bytes, at, monotonic_ns(), position, checksum, size_bytes, *codes)
        # Whoever sees the count, in this process or after its death, sees the record.
        publish(header, COUNT, index + 1)

    def close(self) -> None:
        self._header.release()
        self._bytes.release()


def append(
    buffer: Any,
    type: str,
    f: str,
    position: int,
    size_bytes: int,
    checksum: int,
    outcome: Optional[str] = None,
) -> None:
    """Append one record. Raises ValueError for an unknown name."""
    recording = Recording(buffer)
    try:
        recording.append(type, f, position, size_bytes, checksum, outcome)
    finally:
        recording.close()


def checksum(payload: Any) -> int:
    """64-bit checksum: words of 8 bytes, the last one padded with zeros; multiply and fold."""
    data = bytes(payload)
    size = len(data)
    hash = HASH_SEED ^ size
    for word in struct.unpack_from(f"<{size // 8}Q", data):
        hash = (hash ^ word) * HASH_FACTOR & MASK
        hash ^= hash >> 32
    word = int.from_bytes(data[size // 8 * 8 :], "little")
    hash = (hash ^ word) * HASH_FACTOR & MASK
    return hash ^ hash >> 32
