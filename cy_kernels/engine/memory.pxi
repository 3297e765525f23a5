# Locations, and the models SC, TSO and PSO.
#
#   SC    a store is in memory at once
#   TSO   a store goes into its process's buffer and leaves in order; loads look there first
#   PSO   the same, but only stores to one location keep their order; a release store or fence
#         keeps what came before it before what comes after
#
# When a buffered store leaves is the scheduler's choice. Fences, read-modify-writes and system
# calls empty the buffer.

cdef inline void trace(
    Ops* ops, int kind, int site, u32 location, u64 value, int order
) noexcept nogil:
    if ops.machine.traces:
        append_trace(ops, kind, site, location, value, order)


cdef void append_trace(
    Ops* ops, int kind, int site, u32 location, u64 value, int order
) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Trace* grown
    cdef Trace* line
    if machine.traces & KEEPS_FOOTPRINTS:
        note_event(ops, kind, location, value, order)
        if not machine.traces & KEEPS_TRACE:
            return
    if machine.trace_count == machine.trace_room:
        grown = <Trace*>realloc(machine.trace, 2 * machine.trace_room * sizeof(Trace))
        if grown == NULL:
            machine.is_out_of_memory = True
            return
        machine.trace = grown
        machine.trace_room *= 2
    line = &machine.trace[machine.trace_count]
    machine.trace_count += 1
    line.kind = <u8>kind
    line.process = <u8>ops.index
    line.site = <u16>site
    line.offset = machine.locations[location].offset if location else 0
    line.value = value
    line.order = <u8>order
    line.choice = machine.tape_length
    line.age = <u8>min(ops.age, <u32>255) if kind == LOAD else 0


cdef u32 new_location(Machine* machine, u64 offset) noexcept nogil:
    cdef Location* grown
    cdef Location* location
    if machine.location_count == machine.location_room:
        grown = <Location*>realloc(
            machine.locations, 2 * machine.location_room * sizeof(Location))
        if grown == NULL:
            machine.is_out_of_memory = True
            machine.stop = OUT_OF_STEPS
            return 1
        machine.locations = grown
        machine.location_room *= 2
    location = &machine.locations[machine.location_count]
    memset(location, 0, sizeof(Location))
    location.offset = <u32>offset
    if machine.model == RA and not new_timeline(machine, machine.location_count):
        machine.is_out_of_memory = True
        machine.stop = OUT_OF_STEPS
        return 1
    machine.location_of[offset] = machine.location_count
    machine.location_count += 1
    return machine.location_count - 1


cdef inline u32 location_at(Machine* machine, const void* address) noexcept nogil:
    cdef u64 offset = <u64>(<const u8*>address - machine.region)
    cdef u32 location = machine.location_of[offset]
    return location if location != 0 else new_location(machine, offset)


cdef inline void make_runnable(Machine* machine, Ops* ops) noexcept nogil:
    ops.state = RUNNABLE
    ops.timer_ns = INT64_MAX
    machine.timed &= ~(<u64>1 << ops.index)
    machine.runnable |= (<u64>1 << ops.index) & ~machine.stopped


cdef inline void block(Ops* ops, int state) noexcept nogil:
    ops.state = state
    ops.machine.runnable &= ~(<u64>1 << ops.index)
    trace(ops, BLOCK, ops.site, 0, state, 0)


cdef void wake_watchers(Machine* machine, Location* location) noexcept nogil:
    cdef u64 watchers = location.watchers
    cdef int index
    location.watchers = 0
    while watchers:
        index = lowest_bit(watchers)
        watchers &= watchers - 1
        if machine.process[index].state == WATCHING:
            if machine.misses_wakes and machine.process[index].is_monitoring and choose(machine, 2):
                location.watchers |= <u64>1 << index
                continue
            machine.process[index].woken_by = SLEPT
            make_runnable(machine, &machine.process[index])


# A value arrives in memory, where all see it.
cdef inline void write_through(Ops* ops, u32 index, u64 value, u64 mask, int site) noexcept nogil:
    cdef Location* location = &ops.machine.locations[index]
    cdef u64 old = location.value
    location.value = (old & ~mask) | (value & mask)
    note_change(ops.machine, location.offset, old, location.value)
    location.version += 1
    location.writer = <u16>ops.index
    location.writer_site = <u16>site
    if location.watchers:
        wake_watchers(ops.machine, location)


# Whether entry `chosen` may leave before those in front of it.
cdef inline bint may_leave(Ops* ops, u32 chosen) noexcept nogil:
    cdef u32 i
    for i in range(chosen):
        if ops.entries[i].location == ops.entries[chosen].location:
            return False
        if ops.entries[i].generation != ops.entries[chosen].generation:
            return False
    return True


cdef inline void flush_entry(Ops* ops, u32 chosen) noexcept nogil:
    cdef Entry* entry = &ops.entries[chosen]
    trace(ops, FLUSH, entry.site, entry.location, entry.value, 0)
    write_through(ops, entry.location, entry.value, entry.mask, entry.site)
    ops.buffered -= 1
    if chosen < ops.buffered:
        memmove(entry, entry + 1, (ops.buffered - chosen) * sizeof(Entry))
    if ops.buffered == 0:
        ops.filter = 0
        ops.machine.buffering &= ~(<u64>1 << ops.index)


# The entries that may leave next, with PSO.
cdef u32 leaving_entries(Ops* ops, u32* leaving) noexcept nogil:
    cdef u32 count = 0
    cdef u32 i
    for i in range(ops.buffered):
        if ops.entries[i].generation != ops.entries[0].generation:
            break
        if may_leave(ops, i):
            leaving[count] = i
            count += 1
    return count


# One store of the process leaves its buffer; which one is a choice with PSO.
cdef void flush_one(Ops* ops) noexcept nogil:
    cdef u32 leaving[BUFFER_MAX]
    cdef u32 count
    if ops.machine.model == PSO:
        count = leaving_entries(ops, leaving)
        if count > 1:
            flush_entry(ops, leaving[choose(ops.machine, count)])
            return
    flush_entry(ops, 0)


cdef inline void drain(Ops* ops) noexcept nogil:
    while ops.buffered:
        flush_entry(ops, 0)


cdef inline void write_location(
    Ops* ops, u32 location, u64 value, u64 mask, int site, int order
) noexcept nogil:
    cdef Entry* entry
    if site != Step.WAIT__CLOCK__STORE_HEARTBEAT:  # evidence: nobody waits for it
        ops.is_idle = False
    trace(ops, STORE, site, location, value, order)
    if ops.machine.model == SC:
        write_through(ops, location, value, mask, site)
        return
    if ops.machine.model == RA:
        view_write(ops, location, value, mask, site, order)
        return
    if ops.buffered == BUFFER_MAX:
        flush_entry(ops, 0)
    if order == RELEASE or order == SEQ_CST:
        ops.generation += 1
    entry = &ops.entries[ops.buffered]
    entry.location = location
    entry.value = value
    entry.mask = mask
    entry.site = <u16>site
    entry.generation = ops.generation
    ops.buffered += 1
    ops.filter |= <u64>1 << (location & 63)
    ops.machine.buffering |= <u64>1 << ops.index
    if order == SEQ_CST:
        drain(ops)


cdef inline u64 forwarded(Ops* ops, u32 location, u64 value) noexcept nogil:
    cdef Entry* entry
    cdef u32 i
    if ops.filter >> (location & 63) & 1:
        for i in range(ops.buffered):
            entry = &ops.entries[i]
            if entry.location == location:
                value = (value & ~entry.mask) | (entry.value & entry.mask)
    return value


cdef inline u64 read_location(Ops* ops, u32 index, int site, int order) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Location* location = &machine.locations[index]
    cdef u64 value
    if machine.model == RA:
        value = view_read(ops, index, site, order)
    else:
        value = forwarded(ops, index, location.value)
        machine.pairs[site * SITES_MAX + location.writer_site] = 1
        note_read(ops, index, location.version)
    trace(ops, LOAD, site, index, value, order)
    return value


# For the waiting loop: what its turn has seen.
cdef inline void note_read(Ops* ops, u32 location, u32 version) noexcept nogil:
    if ops.read_count < READS_MAX:
        ops.reads[ops.read_count].location = location
        ops.reads[ops.read_count].version = version
    ops.read_count += 1


# A system call on a futex word.
cdef inline void enter_kernel(Ops* ops, u32 location) noexcept nogil:
    if ops.machine.model == RA:
        view_fence(ops, SEQ_CST)
        kernel_meets(ops, location)
        if ops.machine.traces & KEEPS_FOOTPRINTS:
            note_kernel(ops.machine, location)
    else:
        drain(ops)
