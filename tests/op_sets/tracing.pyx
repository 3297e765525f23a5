"""The protocol over a second op set: plain memory, one thread, every op's step written down."""

from libc.stdint cimport INT64_MAX
from libc.string cimport memcpy, memset

from cy_kernels.atomics cimport ACQUIRE, RELAXED, RELEASE, SEQ_CST, i64, u8, u16, u32, u64
from cy_kernels.layout cimport *

include "ops_list.pxi"

cdef struct Ops:
    int mutant
    int count
    i64 clock_ns
    int steps[4096]

cdef inline void trace(Ops* ops, int site) noexcept nogil:
    if ops.count < 4096:
        ops.steps[ops.count] = site
        ops.count += 1

cdef inline int mutant_of(Ops* ops) noexcept nogil:
    return ops.mutant

cdef inline u8 load8(Ops* ops, int site, u8* p, int order) noexcept nogil:
    trace(ops, site)
    return p[0]

cdef inline u32 load32(Ops* ops, int site, u32* p, int order) noexcept nogil:
    trace(ops, site)
    return p[0]

cdef inline u64 load64(Ops* ops, int site, u64* p, int order) noexcept nogil:
    trace(ops, site)
    return p[0]

cdef inline void store8(Ops* ops, int site, u8* p, u8 value, int order) noexcept nogil:
    trace(ops, site)
    p[0] = value

cdef inline void store32(Ops* ops, int site, u32* p, u32 value, int order) noexcept nogil:
    trace(ops, site)
    p[0] = value

cdef inline void store64(Ops* ops, int site, u64* p, u64 value, int order) noexcept nogil:
    trace(ops, site)
    p[0] = value

cdef inline void fence(Ops* ops, int site, int order) noexcept nogil:
    trace(ops, site)

cdef inline u32 add32(Ops* ops, int site, u32* p, u32 value) noexcept nogil:
    trace(ops, site)
    p[0] += value
    return p[0] - value

cdef inline u64 add64(Ops* ops, int site, u64* p, u64 value) noexcept nogil:
    trace(ops, site)
    p[0] += value
    return p[0] - value

cdef inline bint cas32(Ops* ops, int site, u32* p, u32 expected, u32 desired) noexcept nogil:
    trace(ops, site)
    if p[0] != expected:
        return False
    p[0] = desired
    return True

cdef inline bint cas64(Ops* ops, int site, u64* p, u64 expected, u64 desired) noexcept nogil:
    trace(ops, site)
    if p[0] != expected:
        return False
    p[0] = desired
    return True

cdef inline void copy(Ops* ops, int site, void* to, const void* source, size_t size) noexcept nogil:
    trace(ops, site)
    memcpy(to, source, size)

cdef inline void pause_core(Ops* ops, int site) noexcept nogil:
    trace(ops, site)

cdef inline void yield_core(Ops* ops, int site) noexcept nogil:
    trace(ops, site)

cdef inline i64 now(Ops* ops, int site) noexcept nogil:
    trace(ops, site)
    return ops.clock_ns + ops.count  # a clock that moves by one an op

cdef inline int futex_wait(Ops* ops, int site, u32* p, u32 seen, i64 deadline_ns) noexcept nogil:
    trace(ops, site)
    return 1 if p[0] == seen else 0  # nobody else runs: only the deadline can end a sleep

cdef inline void futex_wake(Ops* ops, int site, u32* p) noexcept nogil:
    trace(ops, site)

cdef inline int nap(Ops* ops, int site, i64 until_ns) noexcept nogil:
    trace(ops, site)
    return 0

cdef inline void monitorx(Ops* ops, int site, const void* p) noexcept nogil:
    trace(ops, site)

cdef inline void umonitor(Ops* ops, int site, const void* p) noexcept nogil:
    trace(ops, site)

cdef inline void arm_exclusive(Ops* ops, int site, const void* p) noexcept nogil:
    trace(ops, site)

cdef inline bint mwaitx(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    trace(ops, site)
    return False

cdef inline bint umwait(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    trace(ops, site)
    return False

cdef inline void tpause(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    trace(ops, site)

cdef inline bint wfe(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    trace(ops, site)
    return False

cdef inline bint wfet(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    trace(ops, site)
    return False

cdef inline void point(Ops* ops, int site) noexcept nogil:
    trace(ops, site)

cdef inline u32 patience_of(Ops* ops, u32 polls) noexcept nogil:
    return polls

cdef inline void poll_again(Ops* ops, void* w) noexcept nogil:
    pass

include "protocol/outcomes.pxi"
include "protocol/habit.pxi"
include "protocol/mutants.pxi"
include "protocol/wait.pxi"
include "protocol/wake.pxi"
include "protocol/flag_ring.pxi"
include "protocol/flag_mutants.pxi"
include "protocol/park_mutants.pxi"
include "protocol/cursor_ring.pxi"

NAMES = dict(STEPS)


cdef list steps_of(Ops* ops):
    names = [NAMES.get(ops.steps[i], "?") for i in range(ops.count)]
    ops.count = 0
    return names


def flag_message(int mutant, bint fenced):
    """The steps of one send and one receive on an empty flag_ring of one slot and one reader."""
    cdef Ops ops
    cdef RegionHeader header
    cdef FlagRing ring
    cdef Waiter waiter
    cdef u8 chunk[64]
    cdef u8 metadata[2]
    cdef u8 out[64]
    memset(&ops, 0, sizeof(ops))
    memset(&header, 0, sizeof(header))
    memset(&ring, 0, sizeof(ring))
    memset(&waiter, 0, sizeof(waiter))
    metadata[0] = metadata[1] = 0
    ops.mutant = mutant
    ring.header = &header
    ring.chunks = chunk
    ring.metadata = metadata
    ring.slots = 1
    ring.chunk_bytes = 64
    ring.readers = 1
    ring.is_fenced = fenced
    assert flag_await_writable(&ops, &ring, &waiter) == READY
    flag_write(&ops, &ring, b"hello", 5)
    sent = steps_of(&ops)
    assert flag_await_readable(&ops, &ring, &waiter) == READY
    size = flag_read_length(&ops, &ring)
    if mutant == RELEASE_BEFORE_READ:
        flag_read_after_release(&ops, &ring, out, size)
    else:
        flag_read(&ops, &ring, out, size)
        flag_release(&ops, &ring)
    return sent, steps_of(&ops), out[:size]


def cursor_message():
    """The steps of one send and one receive on an empty cursor_ring of one slot and one reader."""
    cdef Ops ops
    cdef RegionHeader header
    cdef ReaderLine line
    cdef CursorRing ring
    cdef CursorRing reader
    cdef Waiter waiter
    cdef u8 slot[128]
    cdef u8 out[64]
    memset(&ops, 0, sizeof(ops))
    memset(&header, 0, sizeof(header))
    memset(&line, 0, sizeof(line))
    memset(&ring, 0, sizeof(ring))
    memset(&waiter, 0, sizeof(waiter))
    memset(slot, 0, sizeof(slot))
    ring.header = &header
    ring.lines = &line
    ring.slots_base = slot
    ring.slots = 1
    ring.stride = 128
    ring.slot_bytes = 64
    ring.readers = 1
    ring.me = 7
    reader = ring
    assert cursor_claim_writer(&ops, &ring, 0)
    assert cursor_claim_reader(&ops, &reader, 0)
    ops.count = 0
    assert cursor_await_writable(&ops, &ring, &waiter) == READY
    cursor_write(&ops, &ring, b"hello", 5)
    sent = steps_of(&ops)
    assert cursor_await_readable(&ops, &reader, &waiter) == READY
    size = cursor_read_length(&ops, &reader)
    cursor_read(&ops, &reader, out, size)
    cursor_release(&ops, &reader)
    return sent, steps_of(&ops), out[:size]


def wait_steps(int strategy, int rounds, int mutant=0):
    """The steps and the last reason of so many rounds of waiting for nobody, deadline far away."""
    cdef Ops ops
    cdef RegionHeader header
    cdef Waiter waiter
    cdef int reason = AGAIN
    memset(&ops, 0, sizeof(ops))
    memset(&header, 0, sizeof(header))
    memset(&waiter, 0, sizeof(waiter))
    ops.mutant = mutant
    waiter.strategy = strategy
    waiter.event = &header.data_event
    waiter.parked = &header.data_parked
    waiter.deadline_ns = INT64_MAX
    for _ in range(rounds):
        reason = wait_round(&ops, &waiter)
    return steps_of(&ops), reason, header.data_parked


def wake_steps(int mutant, bint readers):
    """The steps of one waker."""
    cdef Ops ops
    cdef RegionHeader header
    memset(&ops, 0, sizeof(ops))
    memset(&header, 0, sizeof(header))
    ops.mutant = mutant
    if readers:
        wake_readers(&ops, &header)
    else:
        wake_writer(&ops, &header)
    return steps_of(&ops)


def adaptive_waits(gaps_ns, i64 wake_ns=50000, i64 taken_ns=0):
    """Of waits by adaptive one after the other, the word changing so long after each began: the ns
    before each parked, -1 if it did not.

    An op takes 50 ns here and being woken `wake_ns`; a core that is offered is away for `taken_ns`.
    """
    cdef Ops ops
    cdef RegionHeader header
    cdef Waiter waiter
    cdef Habit habit
    cdef i64 began_ns, change_ns, before_ns
    memset(&ops, 0, sizeof(ops))
    memset(&header, 0, sizeof(header))
    memset(&habit, 0, sizeof(habit))
    found = []
    for gap_ns in gaps_ns:
        memset(&waiter, 0, sizeof(waiter))
        waiter.strategy = ADAPTIVE
        waiter.event = &header.data_event
        waiter.parked = &header.data_parked
        waiter.habit = &habit
        waiter.deadline_ns = INT64_MAX
        began_ns = ops.clock_ns
        change_ns = began_ns + <i64>gap_ns
        parked_ns = -1
        while ops.clock_ns < change_ns:
            before_ns = ops.clock_ns
            wait_round(&ops, &waiter)
            for step in steps_of(&ops):
                ops.clock_ns += 50
                if step == "wait.clock.offer":
                    ops.clock_ns += taken_ns
                elif step == "wait.park.futex_wait":
                    parked_ns = before_ns - began_ns
                    ops.clock_ns = max(change_ns, ops.clock_ns) + wake_ns
        settle(&ops, &waiter, READY)
        steps_of(&ops)
        found.append(parked_ns)
    return found
