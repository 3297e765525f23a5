"""The two rings over mapped memory, compiled. All deadlines are absolute CLOCK_MONOTONIC ns; -1 = none."""

from typing import Any, ContextManager, Optional, Union

Buffer = Union[bytes, bytearray, memoryview]

STRATEGIES: tuple[str, ...]  # aliases of the wait strategies this build has
STEPS: tuple[tuple[int, str], ...]  # the step table: (number, name)
MUTANTS: tuple[str, ...]  # () in the product, names in cy_kernels.mutants

def flag_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int: ...
def cursor_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int: ...

class _Ring:
    """What both classes of ends share. `buffer` must be writable, contiguous, page-aligned."""

    wait: str
    slots: int
    slot_bytes: int
    readers: int
    position: int  # of the next message this end will send or read

    def shutdown(self) -> None:
        """Wake everybody on both sides: every pending and later op raises RingClosed."""

    def close(self) -> None:
        """Detach: release the buffer. Idempotent."""

def flag_format(buffer: memoryview, *, slots: int, slot_bytes: int, readers: int) -> None: ...
def cursor_format(buffer: memoryview, *, slots: int, slot_bytes: int, readers: int) -> None: ...

class FlagWriter(_Ring):
    def __init__(self, buffer: memoryview, *, slots: int, slot_bytes: int, readers: int, wait: str = "park",
                 order: str = "fenced", mutant: Optional[str] = None, recorder: Optional[memoryview] = None) -> None:
        """Raises RingMismatch naming both values if the region's geometry differs."""
    def send(self, payload: Buffer, deadline_ns: int = -1) -> int: ...
    def end(self) -> None: ...

class FlagReader(_Ring):
    def __init__(self, buffer: memoryview, *, rank: int, slots: int, slot_bytes: int, readers: int, wait: str = "park",
                 order: str = "fenced", mutant: Optional[str] = None, recorder: Optional[memoryview] = None) -> None: ...
    def receive(self, deadline_ns: int = -1) -> bytes: ...
    def receiving(self, deadline_ns: int = -1) -> ContextManager[memoryview]: ...

class CursorWriter(_Ring):
    def __init__(self, buffer: memoryview, *, slots: int, slot_bytes: int, readers: int, wait: str = "park",
                 recorder: Optional[memoryview] = None, evict_dead: bool = False) -> None:
        """Claims the writer's place: free, or its owner proven dead (else RingBusy)."""
    def send(self, payload: Buffer, deadline_ns: int = -1) -> int: ...
    def end(self) -> None: ...

class CursorReader(_Ring):
    def __init__(self, buffer: memoryview, *, rank: int, slots: int, slot_bytes: int, readers: int, wait: str = "park",
                 recorder: Optional[memoryview] = None) -> None: ...
    def receive(self, deadline_ns: int = -1) -> bytes: ...
    def receiving(self, deadline_ns: int = -1) -> ContextManager[memoryview]: ...

def flag_describe(buffer: memoryview) -> dict[str, Any]: ...
def cursor_describe(buffer: memoryview) -> dict[str, Any]: ...
