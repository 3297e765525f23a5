# What stands between an end and its memory: the region, checked and held, the recorder beside it,
# and the words for how an operation ended.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX
from libc.string cimport memset

import operator
import os

from cy_kernels import cpu
from cy_kernels.errors import (
    GateRaised,
    RingBusy,
    RingClosed,
    RingEnded,
    RingError,
    RingEvicted,
    RingFenced,
    RingGarbled,
    RingMismatch,
    RingTimeout,
)
from cy_kernels.layout cimport *
from cy_kernels.owner import is_proven_dead, owner_word, pid_namespace, pid_of

# The macros are no part of the stable ABI; functions of the same meaning are, and only its wheels
# (docs/decisions/0014) pay for the call.
cdef extern from *:
    """
    #ifdef Py_LIMITED_API
    #define PyBytes_AS_STRING PyBytes_AsString
    #define PyByteArray_AS_STRING PyByteArray_AsString
    #endif
    """

cdef extern from *:
    """
    #define SB_REGION_MAGIC 0x004445424e495053u  /* the bytes "SPINBED", little-endian */
    """
    const u64 REGION_MAGIC "SB_REGION_MAGIC"

cdef struct Shape:
    u64 slots
    u64 slot_bytes
    u32 readers

cdef struct Face:
    Py_buffer region
    Py_buffer recording
    Ops ops
    RegionHeader* header
    RecorderHeader* recorder
    u64 records  # that fit in the recorder
    Shape shape  # our own copy: anybody may write over the one in the region
    int strategy
    int grace
    Habit habit
    bint is_begun  # opened, or an attempt at it: there is no second one
    bint is_open
    bint is_busy  # being opened, inside an operation, or holding a slot
    bint holds_slot
    bint owes_wake  # the gate raised out of an operation, perhaps before it woke the other side

_KIND_NAMES = {KIND_FLAG: "flag_ring", KIND_CURSOR: "cursor_ring"}
_SHUTDOWN_NAMES = {OPEN: "open", ENDED_STATE: "ended", CLOSED_STATE: "closed"}


cdef int face_open(
    Face* face, object buffer, u32 kind, object region_bytes, object geometry, str wait, int mutant,
    object recorder
) except -1:
    """Check the region against what was asked for, then hold it. Until the caller has set is_busy
    to False again, nobody else can close what it is at work in."""
    if face.is_begun:
        raise RingError("an end is opened once: make another one")
    choose_wait(face, wait)
    face.is_begun = True
    face.ops.mutant = mutant
    PyObject_GetBuffer(buffer, &face.region, PyBUF_WRITABLE)
    try:
        check_region(&face.region, kind, region_bytes, geometry, &face.shape)
        if recorder is not None:
            PyObject_GetBuffer(recorder, &face.recording, PyBUF_WRITABLE)
            try:
                face.records = recorder_capacity(&face.recording)
            except ValueError as error:
                PyBuffer_Release(&face.recording)
                raise ValueError(f"recorder: {error}") from None
            face.recorder = <RecorderHeader*>face.recording.buf
    except BaseException:
        PyBuffer_Release(&face.region)
        raise
    face.header = <RegionHeader*>face.region.buf
    face.is_open = True
    face.is_busy = True
    return 0


cdef object offered():
    """What the CPU offers to waiters; nothing to a build whose waiting instructions trap everywhere
    (setup.py), where nobody emulates them."""
    if IS_MARKED:
        from cy_kernels import trap

        if not trap.is_installed():
            return cpu.features("none")
    return cpu.features()


cdef int choose_wait(Face* face, str wait) except -1:
    """What really runs where `wait` is asked for: what the host lacks degrades."""
    global tsc_hz
    if wait not in ASKED_FOR:
        raise ValueError(f"wait strategy {wait!r} is not one of {', '.join(ASKED_FOR)}")
    face.grace = PAUSED_POLLS
    if wait != BEST and STRATEGIES.index(wait) < TPAUSE:  # of no interest to the CPU
        face.strategy = STRATEGIES.index(wait)
        return 0
    features = offered()
    face.strategy = STRATEGIES.index(cpu.rung_of(wait, features))
    if face.strategy >= TPAUSE:
        tsc_hz = features.tsc_hz
        if wait == BEST:
            face.grace = face.strategy
            face.strategy = ADAPTIVE
    return 0


cdef str wait_of(Face* face):
    """The strategy that runs; of `best`, the rung it took."""
    return STRATEGIES[face.strategy if face.grace == PAUSED_POLLS else face.grace]


cdef Py_buffer held_gate


def install_gate(buffer):
    """Pass every op of this module's ends through the gate in `buffer`; None: through none."""
    global process_gate
    if process_gate != NULL:
        process_gate = NULL
        PyBuffer_Release(&held_gate)
    if buffer is not None:
        PyObject_GetBuffer(buffer, &held_gate, PyBUF_WRITABLE)
        if held_gate.len < <Py_ssize_t>sizeof(Gate) or <size_t>held_gate.buf % 8:
            PyBuffer_Release(&held_gate)
            raise ValueError(f"a gate needs {sizeof(Gate)} bytes, aligned to 8")
        process_gate = <Gate*>held_gate.buf


cdef void face_close(Face* face) noexcept:
    if not face.is_open:
        return
    face.is_open = False
    PyBuffer_Release(&face.region)
    if face.recorder != NULL:
        face.recorder = NULL
        PyBuffer_Release(&face.recording)


# Before an end lets go of its region on somebody's request.
cdef int face_leave(Face* face) except -1:
    if face.is_open and face.is_busy and not face.holds_slot:
        raise RingError("an operation of this end is not over: close it afterwards")
    return 0


cdef inline int face_enter(Face* face) except -1:
    if (not face.is_open) | face.is_busy | (HAS_GATE and face.owes_wake):
        face_enter_slowly(face)
    face.is_busy = True
    return 0


cdef int face_enter_slowly(Face* face) except -1:
    if not face.is_open:
        raise ValueError("operation on a closed end")
    if face.is_busy:
        raise RingError("an end serves one operation at a time: it is in use, or a slot is held")
    face.owes_wake = False
    wake_readers(NULL, face.header)
    wake_writer(NULL, face.header)
    return 0


cdef int check_region(
    Py_buffer* view, u32 kind, object region_bytes, object geometry, Shape* shape
) except -1:
    """Is this a whole region of that kind and geometry (any, if empty)? Its shape, read once: other
    processes can write the header, so nothing that is an address may come from it afterwards."""
    cdef RegionHeader* header = <RegionHeader*>view.buf
    if <size_t>view.buf % LINE_BYTES:
        raise ValueError("the region must begin at a multiple of 64 bytes")
    if view.len < HEADER_PAGE:
        raise RingMismatch(f"the region has {view.len} bytes, a header alone has {HEADER_PAGE}")
    if header.magic != REGION_MAGIC:
        raise RingMismatch(
            f"magic is {header.magic:#018x}, ours is {REGION_MAGIC:#018x}: not a region of spinbed")
    if header.version != LAYOUT_VERSION:
        raise RingMismatch(f"layout version is {header.version}, this build has {LAYOUT_VERSION}")
    if not header.is_ready:
        raise RingMismatch("the region is not formatted to its end: its creator died or is at it")
    if header.kind != kind:
        found_kind = _KIND_NAMES.get(header.kind, header.kind)
        raise RingMismatch(f"kind is {found_kind}, asked for {_KIND_NAMES[kind]}")
    found = {"slots": header.slots, "slot_bytes": header.slot_bytes, "readers": header.readers}
    for name, asked in geometry.items():
        if found[name] != asked:
            raise RingMismatch(f"{name} is {found[name]} in the region, asked for {asked}")
    try:
        needed = region_bytes(**found)
    except ValueError as error:
        raise RingMismatch(f"no region can be like this one: {error}") from None
    claimed = header.region_bytes
    if claimed != needed:
        raise RingMismatch(f"region_bytes is {claimed} in the region, its geometry needs {needed}")
    if view.len < needed:
        raise RingMismatch(f"the mapping has {view.len} bytes, the region {needed}")
    shape.slots = found["slots"]
    shape.slot_bytes = found["slot_bytes"]
    shape.readers = found["readers"]
    return 0


cdef object checked_geometry(object slots, object slot_bytes, object readers, int overhead):
    """The geometry as a dict. Raises ValueError naming the value and its bounds."""
    geometry = {}
    for name, value, low, high in (
        ("slots", slots, 1, SLOTS_MAX),
        ("slot_bytes", slot_bytes, overhead + 1, 1 << 30),
        ("readers", readers, 1, READERS_MAX),
    ):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        geometry[name] = _exact_int(value)
        if not low <= geometry[name] <= high:
            raise ValueError(f"{name} must be {low} to {high}, not {geometry[name]}")
    return geometry


cdef object checked_rank(object rank, object geometry):
    exact = _exact_int(operator.index(rank))
    if not 0 <= exact < geometry["readers"]:
        raise ValueError(f"rank must be 0 to {geometry['readers'] - 1}, not {exact}")
    return exact


# Never an object whose comparisons are its own: a bound that it passes must be one that it keeps.
_exact_int = int.__index__


cdef int format_header(object buffer, u32 kind, object geometry, u64 region_bytes) except -1:
    cdef Py_buffer view
    cdef RegionHeader* header
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    try:
        if <u64>view.len < region_bytes:
            raise ValueError(f"the buffer has {view.len} bytes, the ring needs {region_bytes}")
        if <size_t>view.buf % LINE_BYTES:
            raise ValueError("the region must begin at a multiple of 64 bytes")
        header = <RegionHeader*>view.buf
        # The header alone: behind it a new region is zeros already, and touching every page here
        # would undo `reserve = false`.
        memset(header, 0, HEADER_PAGE)
        header.magic = REGION_MAGIC
        header.version = LAYOUT_VERSION
        header.kind = kind
        header.slots = geometry["slots"]
        header.slot_bytes = geometry["slot_bytes"]
        header.readers = geometry["readers"]
        header.creator = owner_word(os.getpid())
        header.pid_namespace = pid_namespace()
        header.region_bytes = region_bytes
        publish_ready(header)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef extern from *:
    """
    #define sb_publish_ready(header) __atomic_store_n(&(header)->is_ready, 1, __ATOMIC_RELEASE)
    """
    void publish_ready "sb_publish_ready"(RegionHeader* header) noexcept nogil


cdef inline void start_waiter(
    Face* face, Waiter* w, u32* event, u32* parked, u64* heartbeat_ns, i64 deadline_ns
) noexcept:
    memset(w, 0, sizeof(Waiter))
    w.strategy = face.strategy
    w.grace = face.grace
    w.habit = &face.habit
    w.event = event
    w.parked = parked
    w.heartbeat_ns = heartbeat_ns
    w.deadline_ns = INT64_MAX if deadline_ns < 0 else deadline_ns


cdef inline void note(
    Face* face, int type, int function, int outcome, u64 position, u32 size, u64 checksum
) noexcept:
    if face.recorder != NULL:
        append_record(
            face.recorder, face.records, type, function, outcome, position, size, checksum)


# The newest record of this end was written before its time.
cdef inline void correct(Face* face, int type, int outcome) noexcept:
    if face.recorder != NULL:
        correct_record(face.recorder, face.records, type, outcome)


cdef int outcome_of(int reason) noexcept:
    if reason == TIMED_OUT:
        return TIMEOUT_OUTCOME
    if reason == ENDED:
        return ENDED_OUTCOME
    if reason == CLOSED:
        return CLOSED_OUTCOME
    if reason == EVICTED:
        return EVICTED_OUTCOME
    if reason == FENCED:
        return FENCED_OUTCOME
    return ERROR_OUTCOME


cdef object error_of(int reason, u64 position, str waiting_for):
    """The exception for an operation on message `position` that ended with `reason`."""
    if reason == TIMED_OUT:
        return RingTimeout(f"message {position}: deadline passed while waiting for {waiting_for}")
    if reason == ENDED:
        return RingEnded(f"the writer ended the ring after {position} messages")
    if reason == CLOSED:
        return RingClosed(f"message {position}: the ring was shut down")
    if reason == EVICTED:
        return RingEvicted(f"message {position} is overwritten: the writer gave up on this reader")
    assert reason == FENCED
    return RingFenced(f"message {position}: a successor took over this writer's place")


cdef object describe_header(RegionHeader* header, u32 kind, Shape* shape):
    cdef u32 shutdown = header.shutdown
    return {
        "kind": _KIND_NAMES[kind],
        "slots": shape.slots,
        "slot_bytes": shape.slot_bytes,
        "readers": shape.readers,
        "creator_pid": pid_of(header.creator),
        "shutdown": _SHUTDOWN_NAMES.get(shutdown, f"unknown ({shutdown})"),
        "end_position": header.end_position,
        "readers_parked": bool(header.data_parked),
        "writer_parked": bool(header.space_parked),
    }
