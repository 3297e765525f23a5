"""A ring of flags without a header, as vLLM's shm_broadcast.ShmRingBuffer makes it: its geometry.

Chunks of data, then of each chunk a record of 1 + readers bytes: written, and read by each reader.
Nothing in it says how many there are. The size alone fits several geometries: those are taken whose
chunks are whole KiB, unless somebody says more.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from cy_kernels.pure.layout import READERS_MAX

NAME_START = "/dev/shm/psm_"  # as multiprocessing.shared_memory calls what nobody has named
PAGE_BYTES = 4096
CHUNK_UNIT = 1024
SLOTS_MAX = 1024
SLOTS_ASKED_MAX = 1 << 20
SLOTS_USUAL = 10  # max_chunks of vLLM's MessageQueue, which hardly anybody changes


class Asked(NamedTuple):
    """What somebody says of it."""

    slots: Optional[int] = None
    slot_bytes: Optional[int] = None
    readers: Optional[int] = None

    @property
    def is_any(self) -> bool:
        return self != Asked()


class Geometry(NamedTuple):
    slots: int
    slot_bytes: int
    readers: int

    @property
    def flags_at(self) -> int:
        return self.slots * self.slot_bytes

    @property
    def flag_bytes(self) -> int:
        return self.slots * (1 + self.readers)

    def __str__(self) -> str:
        return f"--slots {self.slots} --slot-bytes {self.slot_bytes} --readers {self.readers}"


def may_be_one(path: str, size_bytes: int, asked: Asked) -> bool:
    """Other shared memory mostly has whole pages."""
    return asked.is_any or (path.startswith(NAME_START) and size_bytes % PAGE_BYTES != 0)


def geometries(size_bytes: int, asked: Asked) -> Sequence[Geometry]:
    """All that the size allows, and what is said."""
    if asked.slot_bytes is not None and asked.readers is not None:
        slots, rest = divmod(size_bytes, asked.slot_bytes + 1 + asked.readers)
        is_fit = slots > 0 and rest == 0 and asked.slots in (None, slots)
        return [Geometry(slots, asked.slot_bytes, asked.readers)] if is_fit else []
    candidates = range(1, SLOTS_MAX + 1) if asked.slots is None else (asked.slots,)
    found: List[Geometry] = []
    for slots in candidates:
        if size_bytes % slots == 0:
            found += _of(slots, size_bytes // slots, asked)
    return found


def _of(slots: int, bytes_each: int, asked: Asked) -> Iterator[Geometry]:
    if asked.slot_bytes is not None:
        slot_bytes, readers = asked.slot_bytes, bytes_each - 1 - asked.slot_bytes
    elif asked.readers is not None:
        slot_bytes, readers = bytes_each - 1 - asked.readers, asked.readers
        if asked.slots is None and slot_bytes % CHUNK_UNIT:
            return
    else:
        slot_bytes = bytes_each - bytes_each % CHUNK_UNIT
        readers = bytes_each - slot_bytes - 1
    if slot_bytes > 0 and 1 <= readers <= READERS_MAX:
        yield Geometry(slots, slot_bytes, readers)


def decoded(geometry: Geometry, flags: bytes) -> Optional[Dict[str, Any]]:
    """As cy_kernels' flag_describe has it; None: these bytes are no flags."""
    if len(flags) != geometry.flag_bytes or set(flags) - {0, 1}:
        return None
    width = 1 + geometry.readers
    rows = [list(flags[at : at + width]) for at in range(0, len(flags), width)]
    return {"kind": "flag_ring", "has_header": False, **geometry._asdict(), "slot_flags": rows}
