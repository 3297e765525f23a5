# What a simulated writer and reader do: the loops of sim/live/workload.py and the policy of the
# ends (whose death is proven, whom to evict), around the same protocol.
#
# Message n is its number, 8 bytes little-endian, then words that n decides, so every oracle knows
# what each byte must be.

cdef enum:
    MESSAGE_ON_STACK = 16384  # largest message here: two lie on a fiber's stack
    EVICT_CHECK_NS = 10000000


cdef inline u64 mixed(u64 x) noexcept nogil:  # splitmix64's finaliser
    x = (x ^ (x >> 30)) * <u64>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <u64>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline u32 size_of_message(Machine* machine, u64 number) noexcept nogil:
    if machine.ring.size_count == 0:
        return 0
    return machine.ring.sizes[min(number, machine.ring.size_count - 1)]


cdef void fill_message(Machine* machine, u64 number, u8* to, u32 size) noexcept nogil:
    cdef u64 word = number
    cdef u32 at = 0
    while at < size:
        memcpy(to + at, &word, min(<u32>8, size - at))
        at += 8
        word = mixed(machine.ring.payload_seed + number * <u64>0x9E3779B97F4A7C15 + at)


cdef void record(
    Ops* ops, int type, int function, int outcome, u64 position, u32 size, u64 checksum
) noexcept nogil:
    cdef RecordLine* line
    cdef RecordLine* grown
    if ops.record_count == ops.record_room:
        grown = <RecordLine*>realloc(ops.records, 2 * ops.record_room * sizeof(RecordLine))
        if grown == NULL:
            ops.machine.is_out_of_memory = True
            return
        ops.records = grown
        ops.record_room *= 2
    line = &ops.records[ops.record_count]
    ops.record_count += 1
    line.stamp = <u64>ops.machine.clock_ns
    line.position = position
    line.checksum = checksum
    line.size_bytes = size
    line.type = <u8>type
    line.function = <u8>function
    line.outcome = <u16>outcome
    ops.outcomes |= <u32>1 << (OUTCOMES_MAX * function + outcome)


cdef int outcome_of(int reason) noexcept nogil:
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


cdef void find(Ops* ops, int finding, u64 position) noexcept nogil:
    cdef Machine* machine = ops.machine
    if machine.finding == NO_FINDING:
        machine.finding = finding
        machine.finding_process = ops.index
        machine.finding_position = position
    if machine.stops_at_finding:
        machine.stop = FOUND


# Before each operation: a trigger that counts them, and slowness.
cdef inline void between_operations(Ops* ops) noexcept nogil:
    ops.is_repeat = False
    ops.seen = 0
    ops.is_idle = True
    ops.read_count = 0
    while ops.done >= ops.next_stop:
        hold(ops, HELD_COUNT)
    if ops.slow_ns:
        ops.slowed += 1
        rest_until(ops, ops.machine.clock_ns + ops.slow_ns)


# A pause that the work itself asks for: no progress is due meanwhile.
cdef inline void rest_until(Ops* ops, i64 until_ns) noexcept nogil:
    ops.idle_until_ns = until_ns
    sleep_until(ops, until_ns)


cdef inline void begin_leaving(Ops* ops) noexcept nogil:
    ops.phase = IN_DETACH
    ops.is_repeat = False
    ops.seen = 0


cdef inline void begin_waiting(
    Ops* ops, Waiter* w, u32* event, u32* parked, u64* heartbeat_ns
) noexcept nogil:
    memset(w, 0, sizeof(Waiter))
    w.strategy = ops.wait
    w.event = event
    w.parked = parked
    w.habit = &ops.habit
    if ops.machine.beats and ops.machine.ring.kind == CURSOR_RING:
        w.heartbeat_ns = heartbeat_ns
    w.signal_check_ns = SIGNALS_CHECKED
    w.deadline_ns = INT64_MAX
    if ops.work.deadline_ns >= 0:
        w.deadline_ns = ops.machine.clock_ns + ops.work.deadline_ns


cdef inline RegionHeader* header_of(Machine* machine) noexcept nogil:
    return <RegionHeader*>machine.region


cdef inline void open_flag_ring(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef Machine* machine = ops.machine
    memset(ring, 0, sizeof(FlagRing))
    ring.header = header_of(machine)
    ring.chunks = machine.region + HEADER_PAGE
    ring.slots = machine.ring.slots
    ring.chunk_bytes = machine.ring.slot_bytes
    ring.metadata = ring.chunks + ring.slots * ring.chunk_bytes
    ring.readers = machine.ring.readers
    ring.rank = ops.work.rank
    ring.is_fenced = machine.ring.is_fenced


cdef inline u64 simulated_stride(u64 slot_bytes) noexcept nogil:
    return (CURSOR_SLOT_HEADER + slot_bytes + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES


cdef inline void open_cursor_ring(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef Machine* machine = ops.machine
    memset(ring, 0, sizeof(CursorRing))
    ring.header = header_of(machine)
    ring.lines = <ReaderLine*>(machine.region + HEADER_PAGE)
    ring.slots_base = machine.region + HEADER_PAGE + READER_LINES_BYTES
    ring.slots = machine.ring.slots
    ring.slot_bytes = machine.ring.slot_bytes
    ring.stride = simulated_stride(ring.slot_bytes)
    ring.readers = machine.ring.readers
    ring.rank = ops.work.rank
    ring.me = ops.owner


# What memory holds now, for whoever looks from outside: no step.
cdef inline u64 peek(Machine* machine, const void* address) noexcept nogil:
    return machine.locations[location_at(machine, address)].value


cdef inline bint is_dead(Ops* me, u64 owner) noexcept nogil:
    cdef int index = <int>(owner & 0xff) - 1
    cdef Ops* ops
    if index < 0 or index >= me.machine.processes:
        return False
    ops = &me.machine.process[index]
    if ops.owner == owner and ops.state != DEAD and ops.state != DONE:
        return False
    if me.machine.model == RA:
        learn_of_end(me, ops)
    return True


cdef u32 evict_dead_readers(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef u32 rank, evicted = 0
    cdef u64 owner
    for rank in range(ring.readers):
        owner = peek(ops.machine, &ring.lines[rank].owner)
        if owner == 0 or owner == OWNER_DETACHED or owner == OWNER_EVICTED:
            continue
        if is_dead(ops, owner):
            evicted += cursor_evict(ops, ring, rank, owner)
    return evicted


cdef int await_cursor_slot(Ops* ops, CursorRing* ring, Waiter* w) noexcept nogil:
    cdef i64 last_ns = w.deadline_ns
    cdef int reason
    while True:
        if ops.work.evicts:
            w.deadline_ns = min(last_ns, ops.machine.clock_ns + EVICT_CHECK_NS)
        reason = cursor_await_writable(ops, ring, w)
        if reason == TIMED_OUT and ops.work.evicts:
            if evict_dead_readers(ops, ring) or ops.machine.clock_ns < last_ns:
                ops.is_repeat = True
                continue
        return reason


include "ring_writer.pxi"
include "ring_reader.pxi"


cdef u64 region_bytes_of(RingWork* ring) noexcept nogil:
    if ring.kind == CURSOR_RING:
        return HEADER_PAGE + READER_LINES_BYTES + ring.slots * simulated_stride(ring.slot_bytes)
    return HEADER_PAGE + ring.slots * (ring.slot_bytes + 1 + ring.readers)
