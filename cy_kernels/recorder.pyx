"""The flight recorder: 32-byte records in memory that outlives the process that writes them."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX
from libc.string cimport memset

from collections import namedtuple

from cy_kernels.atomics cimport i64, u8, u16, u32, u64
from cy_kernels.clock cimport clock_ns

include "recorder_ops.pxi"

HEADER_BYTES = sizeof(RecorderHeader)
RECORD_BYTES = sizeof(RecordLine)
TYPES = ("invoke", "ok", "fail", "info")
FUNCTIONS = ("send", "receive")
OUTCOMES = (None, "timeout", "ended", "closed", "raised", "evicted", "fenced", "error")

Record = namedtuple("Record", "time_ns type f position size_bytes checksum outcome")

cdef enum:
    PAIR_TRIES = 5


def recorder_bytes(records):
    """Bytes of memory for so many records."""
    return sizeof(RecorderHeader) + records * sizeof(RecordLine)


cdef RecorderHeader* header_of(Py_buffer* view) except NULL:
    cdef RecorderHeader* header = <RecorderHeader*>view.buf
    if view.len < <Py_ssize_t>sizeof(RecorderHeader) or header.magic != RECORDER_MAGIC:
        raise ValueError("the buffer was not made by format_recorder")
    return header


# A counter value and the ns at which it was read: the closest of a few tries, so that a preemption
# between the two reads does not become an error of every stamp.
cdef void clock_pair(u64* stamp, i64* ns) noexcept:
    cdef i64 before_ns, after_ns, best_ns = INT64_MAX
    cdef u64 counter
    for _ in range(PAIR_TRIES):
        before_ns = clock_ns()
        counter = read_counter()
        after_ns = clock_ns()
        if after_ns - before_ns < best_ns:
            best_ns = after_ns - before_ns
            stamp[0] = counter
            ns[0] = before_ns + best_ns // 2


def counter_is_constant():
    """True where the CPU's counter runs at one rate on all cores: stamps can be turned into ns."""
    if not HAS_COUNTER:
        return False
    try:
        with open("/sys/devices/system/clocksource/clocksource0/available_clocksource") as file:
            available = file.read().split()
        with open("/proc/cpuinfo") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), None)
    except OSError:
        return False
    if flags is None:  # Arm prints "Features": CNTVCT is constant by architecture
        return True
    return "constant_tsc" in flags and ("nonstop_tsc" in flags or "tsc" in available)


_IS_CONSTANT = counter_is_constant()


def format_recorder(buffer, records):
    """Make a buffer an empty recorder, and stamp the clock pair that its stamps start from."""
    cdef Py_buffer view
    cdef RecorderHeader* header
    cdef u64 capacity = records
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    try:
        if view.len < recorder_bytes(int(capacity)):
            raise ValueError(
                f"{records} records need {recorder_bytes(records)} bytes, not {view.len}")
        header = <RecorderHeader*>view.buf
        memset(header, 0, sizeof(RecorderHeader))
        header.capacity = capacity
        header.stamps_are_tsc = _IS_CONSTANT
        clock_pair(&header.first_stamp, &header.first_ns)
        header.magic = RECORDER_MAGIC
    finally:
        PyBuffer_Release(&view)


# How many can be read. Raises ValueError where a damaged header claims more than there is memory.
cdef u64 readable_records(Py_buffer* view) except? 0:
    cdef RecorderHeader* header = header_of(view)
    cdef u64 total = min(load_count(header), header.capacity)
    if total > (<u64>view.len - sizeof(RecorderHeader)) // sizeof(RecordLine):
        raise ValueError(f"{total} records do not lie in a buffer of {view.len} bytes")
    return total


def count(buffer):
    """Records so far. Safe while the process writes them."""
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        return load_count(header_of(&view))
    finally:
        PyBuffer_Release(&view)


def last_is_invoke(buffer):
    """True if an operation is open: the newest record is an invoke."""
    cdef Py_buffer view
    cdef RecorderHeader* header
    cdef u64 records
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        header = header_of(&view)
        records = readable_records(&view)
        if records == 0:
            return False
        return first_record(header)[records - 1].type == INVOKE_TYPE
    finally:
        PyBuffer_Release(&view)


def overflowed(buffer):
    """True if a record was dropped because the memory was full."""
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        return bool(header_of(&view).overflowed)
    finally:
        PyBuffer_Release(&view)


def records(buffer, u64 start=0):
    """All records from `start` on, stamps turned into CLOCK_MONOTONIC ns."""
    cdef Py_buffer view
    cdef RecorderHeader* header
    cdef RecordLine* all_records
    cdef RecordLine* record
    cdef u64 index, total, now_stamp = 0
    cdef i64 now_ns = 0, time_ns
    cdef double ns_per_tick = 1.0
    cdef list out = []
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        header = header_of(&view)
        total = readable_records(&view)
        all_records = first_record(header)
        if header.stamps_are_tsc:
            clock_pair(&now_stamp, &now_ns)
            ns_per_tick = <double>(now_ns - header.first_ns)
            ns_per_tick /= <double>(now_stamp - header.first_stamp)
        for index in range(start, total):
            record = &all_records[index]
            if header.stamps_are_tsc:
                time_ns = header.first_ns + <i64>(
                    <double><i64>(record.stamp - header.first_stamp) * ns_per_tick)
            else:
                time_ns = <i64>record.stamp
            out.append(Record(
                time_ns, TYPES[record.type & 3], FUNCTIONS[record.function & 1], record.position,
                record.size_bytes, record.checksum, OUTCOMES[record.outcome & 7]))
        return out
    finally:
        PyBuffer_Release(&view)


def append(buffer, str type, str f, u64 position, u32 size_bytes, u64 checksum, outcome=None):
    """Append one record: for ends written in Python. Raises ValueError for an unknown name."""
    cdef Py_buffer view
    cdef u64 capacity
    cdef int type_code = TYPES.index(type), function_code = FUNCTIONS.index(f)
    cdef int outcome_code = OUTCOMES.index(outcome)
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    try:
        capacity = recorder_capacity(&view)
        append_record(header_of(&view), capacity, type_code, function_code, outcome_code, position,
                      size_bytes, checksum)
    finally:
        PyBuffer_Release(&view)


def checksum(payload):
    """64-bit checksum of a payload, as the ends record it."""
    cdef Py_buffer view
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    try:
        return checksum_bytes(<const u8*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
