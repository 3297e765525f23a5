"""What stands between an end and its memory: a region checked and held, a recorder beside it."""

from __future__ import annotations

import operator
import os
from typing import Any, Callable, Dict, Mapping, Optional

from cy_kernels.errors import RingError, RingMismatch
from cy_kernels.owner import owner_word, pid_namespace, pid_of
from cy_kernels.pure import memory
from cy_kernels.pure.layout import (
    CLOSED_STATE,
    CREATOR,
    DATA_EVENT_AT,
    DATA_PARKED,
    END_POSITION,
    ENDED_STATE,
    HEADER_PAGE,
    IS_READY,
    KIND,
    KIND_NAMES,
    LAYOUT_VERSION,
    LINE_BYTES,
    MAGIC,
    OPEN,
    PID_NAMESPACE,
    READERS,
    READERS_MAX,
    REGION_BYTES,
    REGION_MAGIC,
    SHUTDOWN,
    SHUTDOWN_NAMES,
    SLOT_BYTES,
    SLOT_BYTES_MAX,
    SLOTS,
    SLOTS_MAX,
    SPACE_EVENT_AT,
    SPACE_PARKED,
    VERSION,
)
from cy_kernels.pure.memory import Memory, address_of, bump_and_wake, byte_view, publish
from cy_kernels.pure.recorder import Recording
from cy_kernels.pure.wait import really_runs

NOT_ALIGNED = "the region must begin at a multiple of 64 bytes"

Geometry = Dict[str, int]
RegionBytes = Callable[..., int]


def checked_geometry(slots: int, slot_bytes: int, readers: int, overhead: int) -> Geometry:
    """The geometry as a dict. Raises ValueError naming the value and its bounds."""
    geometry = {}
    for name, value, low, high in (
        ("slots", slots, 1, SLOTS_MAX),
        ("slot_bytes", slot_bytes, overhead + 1, SLOT_BYTES_MAX),
        ("readers", readers, 1, READERS_MAX),
    ):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        # Never an object whose comparisons are its own: a bound that it passes is one it keeps.
        geometry[name] = int.__index__(value)
        if not low <= geometry[name] <= high:
            raise ValueError(f"{name} must be {low} to {high}, not {geometry[name]}")
    return geometry


def checked_rank(rank: int, readers: int) -> int:
    rank = int.__index__(operator.index(rank))
    if not 0 <= rank < readers:
        raise ValueError(f"rank must be 0 to {readers - 1}, not {rank}")
    return rank


def format_header(buffer: Any, kind: int, geometry: Geometry, region_bytes: int) -> None:
    """The header alone: behind it a new region is zeros already."""
    view = byte_view(buffer)
    if len(view) < region_bytes:
        raise ValueError(f"the buffer has {len(view)} bytes, the ring needs {region_bytes}")
    if address_of(view) % LINE_BYTES:
        raise ValueError(NOT_ALIGNED)
    view[:HEADER_PAGE] = bytes(HEADER_PAGE)
    u32, u64 = view[:HEADER_PAGE].cast("I"), view[:HEADER_PAGE].cast("Q")
    u64[MAGIC] = REGION_MAGIC
    u32[VERSION] = LAYOUT_VERSION
    u32[KIND] = kind
    u64[SLOTS] = geometry["slots"]
    u64[SLOT_BYTES] = geometry["slot_bytes"]
    u32[READERS] = geometry["readers"]
    u64[CREATOR] = owner_word(os.getpid())
    u64[PID_NAMESPACE] = pid_namespace()
    u64[REGION_BYTES] = region_bytes
    publish(u32, IS_READY, 1)


def check_region(
    view: memoryview[int], kind: int, region_bytes: RegionBytes, geometry: Mapping[str, int]
) -> Geometry:
    """Is this a whole region of that kind and geometry (any, if empty)? Its geometry, read once:
    other processes can write the header."""
    if not view.readonly and len(view) and address_of(view) % LINE_BYTES:
        raise ValueError(NOT_ALIGNED)
    if len(view) < HEADER_PAGE:
        raise RingMismatch(f"the region has {len(view)} bytes, a header alone has {HEADER_PAGE}")
    u32, u64 = view[:HEADER_PAGE].cast("I"), view[:HEADER_PAGE].cast("Q")
    if u64[MAGIC] != REGION_MAGIC:
        magics = f"magic is {u64[MAGIC]:#018x}, ours is {REGION_MAGIC:#018x}"
        raise RingMismatch(f"{magics}: not a region of spinbed")
    if u32[VERSION] != LAYOUT_VERSION:
        raise RingMismatch(f"layout version is {u32[VERSION]}, this build has {LAYOUT_VERSION}")
    if not u32[IS_READY]:
        raise RingMismatch("the region is not formatted to its end: its creator died or is at it")
    if u32[KIND] != kind:
        found_kind = KIND_NAMES.get(u32[KIND], u32[KIND])
        raise RingMismatch(f"kind is {found_kind}, asked for {KIND_NAMES[kind]}")
    found = {"slots": u64[SLOTS], "slot_bytes": u64[SLOT_BYTES], "readers": u32[READERS]}
    for name, asked in geometry.items():
        if found[name] != asked:
            raise RingMismatch(f"{name} is {found[name]} in the region, asked for {asked}")
    try:
        needed = region_bytes(**found)
    except ValueError as error:
        raise RingMismatch(f"no region can be like this one: {error}") from None
    claimed = u64[REGION_BYTES]
    if claimed != needed:
        raise RingMismatch(f"region_bytes is {claimed} in the region, its geometry needs {needed}")
    if len(view) < needed:
        raise RingMismatch(f"the mapping has {len(view)} bytes, the region {needed}")
    return found


def described(
    buffer: Any, kind: int, region_bytes: RegionBytes
) -> tuple[memoryview[int], Dict[str, Any]]:
    """The region's bytes, and its header decoded. Writes nothing. Raises RingMismatch."""
    view = memoryview(buffer)
    if view.format != "B" or view.ndim != 1:
        view = view.cast("B")
    geometry = check_region(view, kind, region_bytes, {})
    u32, u64 = view[:HEADER_PAGE].cast("I"), view[:HEADER_PAGE].cast("Q")
    shutdown = u32[SHUTDOWN]
    is_known = shutdown < len(SHUTDOWN_NAMES)
    return view, {
        "kind": KIND_NAMES[kind],
        **geometry,
        "creator_pid": pid_of(u64[CREATOR]),
        "shutdown": SHUTDOWN_NAMES[shutdown] if is_known else f"unknown ({shutdown})",
        "end_position": u64[END_POSITION],
        "readers_parked": bool(u32[DATA_PARKED]),
        "writer_parked": bool(u32[SPACE_PARKED]),
    }


class Face:
    """The region and recorder of one open end. Raises RingMismatch, RingError."""

    def __init__(
        self,
        buffer: Any,
        kind: int,
        region_bytes: RegionBytes,
        geometry: Geometry,
        wait: str,
        recorder: Optional[Any],
    ) -> None:
        self.wait = really_runs(wait)
        why_not = memory.refusal()
        if why_not is not None:
            raise RingError(why_not)
        view = byte_view(buffer)
        check_region(view, kind, region_bytes, geometry)
        self.recording: Optional[Recording] = None
        if recorder is not None:
            try:
                self.recording = Recording(recorder)
            except ValueError as error:
                raise ValueError(f"recorder: {error}") from None
        self.memory = Memory(view)
        self._data_event = self.memory.futex_word(DATA_EVENT_AT)
        self._space_event = self.memory.futex_word(SPACE_EVENT_AT)
        self.geometry = geometry
        self.is_open = True
        self.is_busy = False  # inside an operation, or holding a slot
        self.holds_slot = False

    def geometry_of(self, name: str) -> Optional[int]:
        """None once closed."""
        return self.geometry[name] if self.is_open else None

    def leave(self) -> None:
        """Before an end lets go of its region on somebody's request."""
        if self.is_open and self.is_busy and not self.holds_slot:
            raise RingError("an operation of this end is not over: close it afterwards")

    def enter(self) -> None:
        if not self.is_open:
            raise ValueError("operation on a closed end")
        if self.is_busy:
            raise RingError(
                "an end serves one operation at a time: it is in use, or a slot is held"
            )
        self.is_busy = True

    def note(
        self,
        type: str,
        f: str,
        position: int,
        size_bytes: int = 0,
        checksum: int = 0,
        outcome: Optional[str] = None,
    ) -> None:
        if self.recording is not None:
            self.recording.append(type, f, position, size_bytes, checksum, outcome)

    # The waker's half of park: the caller has published its change and made a fence since.

    def wake_readers(self) -> None:
        self.memory.u32[DATA_PARKED] = 0
        bump_and_wake(self._data_event)

    def wake_writer(self) -> None:
        self.memory.u32[SPACE_PARKED] = 0
        bump_and_wake(self._space_event)

    def end_ring(self, position: int) -> None:
        """A ring that is closed stays closed, unless it is being closed at this very moment: then
        readers drain it before they end, which a plain load and store cannot exclude."""
        self.memory.u64[END_POSITION] = position
        if self.memory.u32[SHUTDOWN] == OPEN:
            publish(self.memory.u32, SHUTDOWN, ENDED_STATE)
        self.wake_readers()

    def shut_down(self) -> None:
        if not self.is_open:
            raise ValueError("operation on a closed end")
        publish(self.memory.u32, SHUTDOWN, CLOSED_STATE)
        memory.fence()
        self.wake_readers()
        self.wake_writer()

    def close(self) -> None:
        """Let go of the region. Idempotent."""
        if not self.is_open:
            return
        self.is_open = False
        del self._data_event, self._space_event
        self.memory.close()
        if self.recording is not None:
            self.recording.close()
