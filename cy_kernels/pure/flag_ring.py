"""flag_ring in plain Python: the protocol is explained in cy_kernels/protocol/flag_ring.pxi."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from cy_kernels.pure.ends import CLOSED, ENDED, READY, Reader, Writer
from cy_kernels.pure.face import (
    Face,
    Geometry,
    checked_geometry,
    checked_rank,
    described,
    format_header,
)
from cy_kernels.pure.layout import (
    CLOSED_STATE,
    DATA_PARKED,
    END_POSITION,
    ENDED_STATE,
    FLAG_MESSAGE_HEADER,
    HEADER_PAGE,
    KIND_FLAG,
    SHUTDOWN,
    SPACE_PARKED,
)
from cy_kernels.pure.memory import fence, observe, publish

MUTANTS: Tuple[str, ...] = ()  # they are a matter of the compiled sources
ORDERS = ("fenced", "as_shipped")
ONE_BUFFER = b"\0\0\1"  # not in the overflow channel; one buffer


def flag_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int:
    """Bytes of a region: header page, chunks, metadata. Raises ValueError for impossible values."""
    g = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
    return HEADER_PAGE + g["slots"] * g["slot_bytes"] + g["slots"] * (1 + g["readers"])


def flag_format(buffer: Any, *, slots: int, slot_bytes: int, readers: int) -> None:
    """Make a zeroed buffer an empty flag_ring."""
    geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
    format_header(buffer, KIND_FLAG, geometry, flag_region_bytes(**geometry))


def flag_describe(buffer: Any) -> Dict[str, Any]:
    """The region decoded, for evidence: header, events, flags slot by slot. Writes nothing."""
    view, state = described(buffer, KIND_FLAG, flag_region_bytes)
    slots, width = state["slots"], 1 + state["readers"]
    metadata = HEADER_PAGE + slots * state["slot_bytes"]
    state["slot_flags"] = [
        list(view[metadata + slot * width : metadata + (slot + 1) * width]) for slot in range(slots)
    ]
    return state


class _Place:
    """Where in the ring an end is: slots by offset, flags W and R_i as bytes."""

    def __init__(self, face: Face, order: str) -> None:
        geometry = face.geometry
        self.bytes = face.memory.bytes
        self.slots = geometry["slots"]
        self.chunk_bytes = geometry["slot_bytes"]
        self.readers = geometry["readers"]
        self.metadata = HEADER_PAGE + self.slots * self.chunk_bytes
        self.is_fenced = order == "fenced"
        self.index = 0

    def written(self) -> int:
        """Offset of W; R_i follows at 1 + i."""
        return self.metadata + self.index * (1 + self.readers)

    def chunk(self) -> int:
        return HEADER_PAGE + self.index * self.chunk_bytes

    def step(self) -> None:
        self.index = (self.index + 1) % self.slots


def _open(
    buffer: Any, geometry: Geometry, wait: str, order: str, mutant: Optional[str], recorder: Any
) -> Face:
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is not fenced or as_shipped")
    if mutant is not None:
        raise ValueError(f"mutant {mutant!r} is not one of this build's: none")
    return Face(buffer, KIND_FLAG, flag_region_bytes, geometry, wait, recorder)


class FlagWriter(Writer):
    def __init__(
        self,
        buffer: Any,
        *,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        order: str = "fenced",
        mutant: Optional[str] = None,
        recorder: Optional[Any] = None,
    ) -> None:
        geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
        face = _open(buffer, geometry, wait, order, mutant, recorder)
        super().__init__(face, slot_bytes - FLAG_MESSAGE_HEADER)
        self._at = _Place(face, order)

    def _poll(self) -> Optional[str]:
        at, memory = self._at, self._face.memory
        if memory.u32[SHUTDOWN] == CLOSED_STATE:
            return CLOSED
        fence()
        flags = at.written()
        if memory.bytes[flags] != 0:
            for rank in range(at.readers):
                # Pairs with the release of R_i := 1: its loads of the old data are over.
                if observe(memory.bytes, flags + 1 + rank) == 0:
                    return None
        return READY

    def _write(self, payload: memoryview[int]) -> None:
        at, memory = self._at, self._face.memory
        flags, chunk = at.written(), at.chunk()
        memory.bytes[flags] = 0
        start, size = chunk + FLAG_MESSAGE_HEADER, len(payload)
        memory.bytes[chunk:start] = ONE_BUFFER + size.to_bytes(4, "big")
        memory.bytes[start : start + size] = payload
        if at.is_fenced:
            fence()  # the data before the reset of R
        for rank in range(at.readers):
            memory.bytes[flags + 1 + rank] = 0
        fence()
        memory.bytes[flags] = 1
        at.step()
        self.position += 1
        fence()  # also the waker's
        if memory.u32[DATA_PARKED]:
            self._face.wake_readers()

    def _waiting_for(self) -> str:
        at, flags = self._at, self._at.written()
        ranks = [str(rank) for rank in range(at.readers) if at.bytes[flags + 1 + rank] == 0]
        return f"slot {at.index} to be read by rank {', '.join(ranks)}"


class FlagReader(Reader):
    def __init__(
        self,
        buffer: Any,
        *,
        rank: int,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        order: str = "fenced",
        mutant: Optional[str] = None,
        recorder: Optional[Any] = None,
    ) -> None:
        geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
        rank = checked_rank(rank, readers)
        face = _open(buffer, geometry, wait, order, mutant, recorder)
        super().__init__(face, rank)
        self._at = _Place(face, order)

    def _poll(self) -> Optional[str]:
        at, memory = self._at, self._face.memory
        state = observe(memory.u32, SHUTDOWN)
        if state == CLOSED_STATE:
            return CLOSED
        if state == ENDED_STATE and self.position >= memory.u64[END_POSITION]:
            return ENDED
        fence()
        flags = at.written()
        if memory.bytes[flags] == 0 or observe(memory.bytes, flags + 1 + self.rank) != 0:
            return None
        return READY

    def _message(self) -> memoryview[int]:
        """Never more than a chunk can hold, even where the frame was torn."""
        at = self._at
        start = at.chunk() + FLAG_MESSAGE_HEADER
        length = int.from_bytes(at.bytes[start - 4 : start], "big")
        return at.bytes[start : start + min(length, at.chunk_bytes - FLAG_MESSAGE_HEADER)]

    def _release(self) -> None:
        at, memory = self._at, self._face.memory
        publish(memory.bytes, at.written() + 1 + self.rank, 1)
        at.step()
        self.position += 1
        fence()
        if memory.u32[SPACE_PARKED]:
            self._face.wake_writer()
