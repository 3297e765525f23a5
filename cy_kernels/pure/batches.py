"""How long an operation may wait, in seconds; and many messages with one call.

Functions of an end: cursor_ring.py makes methods of them.
"""

from __future__ import annotations

import math
from typing import Any, Iterable, List, Optional

from cy_kernels.errors import RingError
from cy_kernels.pure.clock import monotonic_ns
from cy_kernels.pure.ends import READY, HeldSlot, Reader, Writer

BATCH_BYTES = 65536  # who has so many takes no more: why is said in ends_batch.pxi
TIMEOUT_MAX_S = 4e9  # 126 years: more is for ever


def deadline_in(timeout_s: Optional[float]) -> int:
    """An absolute deadline in ns; -1 for None, which is for ever. Raises ValueError, TypeError."""
    if timeout_s is None:
        return -1
    length_s = math.fabs(timeout_s)  # a number, and no text that float() would read as one
    if not timeout_s >= 0:
        raise ValueError(f"timeout_s must be 0 or more seconds, not {timeout_s}")
    return -1 if length_s > TIMEOUT_MAX_S else monotonic_ns() + int(length_s * 1e9)


def send_within(writer: Writer, payload: Any, timeout_s: Optional[float] = None) -> int:
    return writer.send(payload, deadline_in(timeout_s))


def send_many(writer: Writer, messages: Iterable[Any], timeout_s: Optional[float] = None) -> int:
    """How many were sent. An error of a ring carries that number, too."""
    deadline_ns, sent = deadline_in(timeout_s), 0
    writer._face.enter()
    writer._face.is_busy = False  # each message enters by itself
    try:
        for payload in messages:
            writer.send(payload, deadline_ns)
            sent += 1
    except RingError as error:
        error.completed = sent
        raise
    return sent


def receive_within(reader: Reader, timeout_s: Optional[float] = None) -> bytes:
    return reader.receive(deadline_in(timeout_s))


def receive_many(reader: Reader, count_max: int, timeout_s: Optional[float] = None) -> List[bytes]:
    """Wait for one message, and take those behind it that are there already."""
    if count_max < 1:
        raise ValueError(f"count_max must be 1 or more messages, not {count_max}")
    received = [reader.receive(deadline_in(timeout_s))]
    taken = len(received[0])
    try:
        while len(received) < count_max and taken < BATCH_BYTES and reader._poll() == READY:
            received.append(reader.receive())
            taken += len(received[-1])
    except MemoryError:
        pass
    except RingError as error:
        error.received = received
        raise
    return received


def receiving_within(reader: Reader, timeout_s: Optional[float] = None) -> HeldSlot:
    return reader.receiving(deadline_in(timeout_s))
