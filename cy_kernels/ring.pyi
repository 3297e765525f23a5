"""The two rings over mapped memory, compiled.

Deadlines are absolute CLOCK_MONOTONIC ns; -1 waits for ever. Sizes are bytes. `buffer` must be
writable, contiguous and begin at a multiple of 64 bytes; an end holds it until it is closed.

An end is opened once. close() and abandon() raise RingError while another thread, or the code that
a signal handler interrupted, is inside an operation of it. A view of a message keeps the region
mapped for as long as it lives.
"""

import enum
from typing import Any, ContextManager, Iterable, List, Optional, Tuple, Type, Union

Buffer = Union[bytes, bytearray, memoryview]

STRATEGIES: Tuple[str, ...]  # the wait strategies that an end can come to run
ASKED_FOR: Tuple[str, ...]  # and what can be asked for: those, and "best"
MUTANTS: Tuple[str, ...]  # none in the product, seven in cy_kernels.mutants
STEPS: Tuple[Tuple[int, str], ...]  # the step table: (number, "cursor.send.commit")

Step: Type[enum.IntEnum]

def install_gate(buffer: Optional[memoryview]) -> None:
    """See cy_kernels.gate.install."""

def flag_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int:
    """Bytes of a region. Raises ValueError out of bounds, naming value and bounds."""

def flag_format(buffer: memoryview, *, slots: int, slot_bytes: int, readers: int) -> None:
    """Make a zeroed buffer an empty flag_ring."""

def flag_describe(buffer: Buffer) -> dict[str, Any]:
    """The region decoded, for evidence. Writes nothing. Raises RingMismatch."""

def cursor_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int:
    """Bytes of a region. Raises ValueError out of bounds, naming value and bounds."""

def cursor_format(buffer: memoryview, *, slots: int, slot_bytes: int, readers: int) -> None:
    """Make a zeroed buffer an empty cursor_ring."""

def cursor_shutdown(buffer: memoryview) -> None:
    """Shut the ring down from outside, for its readers: its writer is gone. Raises RingMismatch."""

def cursor_describe(buffer: Buffer) -> dict[str, Any]:
    """The region decoded, for evidence. Writes nothing. Raises RingMismatch."""

class _Writer:
    """One open writing side. Not for use from two threads at once."""

    kernels: str
    wait: str  # the strategy that really runs; of "best", the rung it took
    rescued: int  # waits that a hardware wait's timer ended although a store should have
    position: int  # of the next message
    slots: Optional[int]  # None once closed, as the next two
    slot_bytes: Optional[int]
    readers: Optional[int]

    def send(self, payload: Buffer, deadline_ns: int = -1) -> int:
        """Send one message; its position.

        Raises ValueError (too large, with both sizes), RingTimeout (naming who holds the ring up),
        RingClosed, RingFenced. GateRaised (as any operation does that a step gate told to): the
        position has moved if the message was sent, else the next send takes its place.
        """

    def end(self) -> None:
        """No more messages: readers drain what there is, then raise RingEnded."""

    def shutdown(self) -> None:
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""

    def close(self) -> None:
        """Give up the writer's place and let go of the region. A second call is a no-op."""

    def abandon(self) -> None:
        """Let go of the region and leave shared state as a crash would."""

class _Reader:
    """One open reading side. Not for use from two threads at once."""

    kernels: str
    wait: str
    rescued: int
    rank: int
    position: int
    slots: Optional[int]
    slot_bytes: Optional[int]
    readers: Optional[int]

    def receive(self, deadline_ns: int = -1) -> bytes:
        """The next message, copied out. Raises RingTimeout, RingEnded, RingClosed, RingEvicted."""

    def receiving(self, deadline_ns: int = -1) -> ContextManager[memoryview]:
        """The next message in place; its slot is released when the block ends, however it ends."""

    def shutdown(self) -> None: ...
    def close(self) -> None:
        """Leave: the writer no longer waits for us. A second call is a no-op."""

    def abandon(self) -> None: ...

class FlagWriter(_Writer):
    def __init__(
        self,
        buffer: memoryview,
        *,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        order: str = "fenced",
        mutant: Optional[str] = None,
        recorder: Optional[memoryview] = None,
    ) -> None:
        """Raises RingMismatch with both values where the region is not what is asked for."""

class FlagReader(_Reader):
    def __init__(
        self,
        buffer: memoryview,
        *,
        rank: int,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        order: str = "fenced",
        mutant: Optional[str] = None,
        recorder: Optional[memoryview] = None,
    ) -> None: ...

class CursorWriter(_Writer):
    def __init__(
        self,
        buffer: memoryview,
        *,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        recorder: Optional[memoryview] = None,
        evict_dead: bool = False,
    ) -> None:
        """Claims the writer's place: a free one, or one whose owner is proven dead, else RingBusy.

        With `evict_dead` a blocked send gives up on readers that are proven dead.
        """

    # The operations of spinbed.Writer, which documents them. They wait for at most `timeout_s`
    # seconds; None: for ever.
    def send_within(self, payload: Buffer, timeout_s: Optional[float] = None) -> int: ...
    def send_many(
        self, messages: Iterable[Buffer], timeout_s: Optional[float] = None
    ) -> int: ...
    def claim(self, size_bytes: int, timeout_s: Optional[float] = None) -> memoryview: ...
    def commit(self, size_bytes: Optional[int] = None) -> int: ...
    def abort(self) -> None: ...
    def send_object(self, thing: Any, timeout_s: Optional[float] = None) -> int: ...

class CursorReader(_Reader):
    def __init__(
        self,
        buffer: memoryview,
        *,
        rank: int,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        recorder: Optional[memoryview] = None,
    ) -> None:
        """Claims the rank and goes on at its position. Raises RingBusy, RingEvicted."""

    # The operations of spinbed.Reader, as above.
    def receive_within(self, timeout_s: Optional[float] = None) -> bytes: ...
    def receive_many(self, count_max: int, timeout_s: Optional[float] = None) -> List[bytes]: ...
    def receiving_within(
        self, timeout_s: Optional[float] = None
    ) -> ContextManager[memoryview]: ...
    def hold(self, timeout_s: Optional[float] = None) -> memoryview: ...
    def let_go(self) -> None: ...
    def receive_object(self, timeout_s: Optional[float] = None) -> Any: ...
    def hold_object(self, timeout_s: Optional[float] = None) -> Any: ...
