# Appending to a flight recorder: inline, so that it costs a few ns and no call across modules.
#
# Stamps are the CPU's own counter where it is constant (x86 TSC, aarch64 CNTVCT), turned into ns
# when the memory is drained. The counter is not ordered against other instructions: records are in
# order by their place, not by their stamp.

from cy_kernels.layout cimport RecorderHeader, RecordLine

cdef extern from *:
    """
    #include <string.h>
    #if defined(__x86_64__)
    #include <x86intrin.h>
    #define SB_HAS_COUNTER 1
    #define sb_counter() ((uint64_t)__rdtsc())
    #elif defined(__aarch64__)
    #define SB_HAS_COUNTER 1
    static inline uint64_t sb_counter(void) {
        uint64_t ticks;
        __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
    #else
    #define SB_HAS_COUNTER 0
    #define sb_counter() 0
    #endif

    static inline uint64_t sb_stamp(const sb_recorder_header *header) {
        if (SB_HAS_COUNTER && header->stamps_are_tsc) return sb_counter();
        return (uint64_t)sb_monotonic_ns();
    }
    """
    enum:
        HAS_COUNTER "SB_HAS_COUNTER"
    u64 read_counter "sb_counter"() noexcept nogil
    u64 take_stamp "sb_stamp"(const RecorderHeader* header) noexcept nogil

cdef extern from *:
    """
    #define SB_RECORDER_MAGIC 0x5245444e42505301u
    """
    const u64 RECORDER_MAGIC "SB_RECORDER_MAGIC"

include "record_line.pxi"


cdef inline RecordLine* first_record(RecorderHeader* header) noexcept nogil:
    return <RecordLine*>(<u8*>header + sizeof(RecorderHeader))


# How many records its owner may write: read once and checked against the buffer, as whoever maps
# the header can write over it.
cdef u64 recorder_capacity(Py_buffer* view) except? 0:
    cdef RecorderHeader* header = <RecorderHeader*>view.buf
    cdef u64 capacity
    if view.len < <Py_ssize_t>sizeof(RecorderHeader) or header.magic != RECORDER_MAGIC:
        raise ValueError("the buffer was not made by format_recorder")
    if <size_t>view.buf % 8:
        raise ValueError("the buffer must begin at a multiple of 8 bytes")
    capacity = header.capacity
    if capacity > (<u64>view.len - sizeof(RecorderHeader)) // sizeof(RecordLine):
        raise ValueError(f"{capacity} records do not lie in a buffer of {view.len} bytes")
    return capacity


cdef inline void append_record(
    RecorderHeader* header, u64 capacity, int type, int function, int outcome, u64 position,
    u32 size, u64 checksum
) noexcept nogil:
    cdef RecordLine* record
    cdef u64 index = header.count
    if index >= capacity:
        header.overflowed = 1
        return
    record = first_record(header) + index
    record.stamp = take_stamp(header)
    record.position = position
    record.checksum = checksum
    record.size_bytes = size
    record.type = <u8>type
    record.function = <u8>function
    record.outcome = <u16>outcome
    # Release: whoever sees the count, in this process or after its death, sees the record.
    publish_count(header, index + 1)


cdef inline void correct_record(
    RecorderHeader* header, u64 capacity, int type, int outcome
) noexcept nogil:
    cdef RecordLine* record
    if header.overflowed or not 0 < header.count <= capacity:
        return
    record = first_record(header) + header.count - 1
    record.type = <u8>type
    record.outcome = <u16>outcome


cdef extern from *:
    """
    #define sb_publish_count(header, value) \\
        __atomic_store_n(&(header)->count, (value), __ATOMIC_RELEASE)
    #define sb_load_count(header) __atomic_load_n(&(header)->count, __ATOMIC_ACQUIRE)
    """
    void publish_count "sb_publish_count"(RecorderHeader* header, u64 value) noexcept nogil
    u64 load_count "sb_load_count"(RecorderHeader* header) noexcept nogil
