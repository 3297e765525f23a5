"""The flight recorder: 32-byte records in memory that outlives its process."""

from typing import List, NamedTuple, Optional, Tuple

HEADER_BYTES: int
RECORD_BYTES: int  # 32
TYPES: Tuple[str, ...]  # index = code in the record: ("invoke", "ok", "fail", "info")
FUNCTIONS: Tuple[str, ...]  # ("send", "receive")
OUTCOMES: Tuple[Optional[str], ...]  # (None, "timeout", "ended", ...), as in sim.history.op

def counter_is_constant() -> bool:
    """True where the CPU's counter runs at one rate on all cores: stamps are then taken with it."""

def recorder_bytes(records: int) -> int:
    """Size of the memory for so many records."""

def format_recorder(buffer: memoryview, records: int) -> None:
    """Runner's side, before the process starts. Stamps the clock pair."""

def count(buffer: memoryview) -> int:
    """Records so far; a relaxed load, safe while the process runs."""

def last_is_invoke(buffer: memoryview) -> bool:
    """True if an operation is open: the last record is an invoke."""

def overflowed(buffer: memoryview) -> bool: ...

class Record(NamedTuple):
    time_ns: int  # CLOCK_MONOTONIC
    type: str
    f: str
    position: int
    size_bytes: int
    checksum: int
    outcome: Optional[str]

def records(buffer: memoryview, start: int = 0) -> List[Record]:
    """Everything from record `start` on; call it also on the memory of a dead process."""

def append(buffer: memoryview, type: str, f: str, position: int, size_bytes: int, checksum: int,
           outcome: Optional[str] = None) -> None:
    """For ends written in Python; compiled ends append without this call."""

def checksum(payload: bytes) -> int:
    """64-bit checksum of a payload, as the ends record it."""
