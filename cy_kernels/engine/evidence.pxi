# What a stopped execution shows of itself: for finding out why nothing moves. No steps.

# Instructions that lead back run from the first to the last of them for as long as it takes: the
# loop around `position`, with all that overlap it. False: it stands in none.
cdef bint loop_around(Ops* ops, u32 position, u32* first, u32* last) noexcept nogil:
    cdef bint is_inside = False
    cdef bint has_grown = True
    cdef u32 place, target
    first[0] = last[0] = position
    while has_grown:
        has_grown = False
        for place in range(ops.program_length):
            if ops.program[place].kind != DO_JUMP:
                continue
            target = place - ops.program[place].count
            if place < first[0] or target > last[0]:
                continue
            is_inside = True
            has_grown = has_grown or target < first[0] or place > last[0]
            first[0] = min(first[0], target)
            last[0] = max(last[0], place)
    return is_inside


# How far it has come: messages, or the place in its program, where a loop counts as one place.
# It never goes back within one life.
cdef u64 progress_of(Ops* ops) noexcept nogil:
    cdef u32 first, last
    if ops.role != PROGRAM:
        return ops.messages
    loop_around(ops, <u32>ops.position, &first, &last)
    return first


cdef bint stores_to(Instruction* it) noexcept nogil:
    return it.kind in (DO_STORE, DO_ADD, DO_CAS, DO_PUT, DO_PUT2, DO_FUTEX_WAKE)


# The locations that the rest of its program stores to, exchanges or wakes.
cdef list stores_ahead(Ops* ops):
    cdef u32 place, first, last
    if ops.role != PROGRAM or ops.state == DONE:
        return []
    loop_around(ops, <u32>ops.position, &first, &last)
    return sorted({
        ops.program[place].location * LITMUS_LOCATION_BYTES
        for place in range(first, ops.program_length) if stores_to(&ops.program[place])})


cdef bint reads_from(Instruction* it) noexcept nogil:
    return it.kind in (DO_LOAD, DO_CAS, DO_GET, DO_GET2, DO_FUTEX_WAIT, DO_UNTIL)


# What it reads to see whether it may go on: in the last turn of its waiting loop, before it went
# to sleep, or in the loop of its program that it stands in.
cdef list watched_by(Ops* ops):
    cdef Machine* machine = ops.machine
    cdef u32 i, first, last
    cdef list locations = []
    if ops.state in (PARKED, WATCHING):
        locations += [ops.reads[i].location for i in range(min(ops.read_count, <u32>READS_MAX))]
    if ops.role == PROGRAM and ops.state not in (DONE, DEAD):
        if loop_around(ops, <u32>ops.position, &first, &last):
            locations += [
                machine.location_of[ops.program[i].location * LITMUS_LOCATION_BYTES]
                for i in range(first, last + 1) if reads_from(&ops.program[i])]
    return [
        (machine.locations[i].offset, machine.locations[i].value,
         machine.locations[i].writer if machine.locations[i].version else None)
        for i in sorted(set(locations)) if i]


cdef dict evidence_of(Ops* ops):
    cdef Machine* machine = ops.machine
    cdef Location* location
    cdef u32 first, last, i
    cdef bint is_asleep = ops.state == PARKED
    out = {
        "process": ops.index,
        "role": ROLES[ops.role],
        "state": STATES[ops.state],
        "is_stopped": bool(machine.stopped >> ops.index & 1) or ops.state == HELD,
        "site": ops.site,
        "timer_ns": None if ops.timer_ns == INT64_MAX else ops.timer_ns,
        "buffered": [(machine.locations[ops.entries[i].location].offset, ops.entries[i].value)
                     for i in range(ops.buffered)],
        "completed": ops.done,
        "position": machine.ring.sent if ops.role == RING_WRITER else ops.position,
        "progress": progress_of(ops),
        "retries": ops.role != PROGRAM or loop_around(ops, <u32>ops.position, &first, &last),
        "watches": watched_by(ops),
        "stores_ahead": stores_ahead(ops),
        "futex": None,
    }
    if is_asleep:
        location = &machine.locations[ops.futex]
        out["futex"] = {
            "offset": location.offset, "seen": ops.futex_seen, "value": location.value & 0xffffffff,
            "unheard_wakes": location.unheard}
    return out


# All that decides how litmus programs go on, as one number; 0 where it cannot be told: rings keep
# some of it on their stacks, RA in its views, and two words are copied in two steps.
cdef u64 state_of_programs(Machine* machine) noexcept nogil:
    cdef u64 hash = 0
    cdef u64 words[5]
    cdef u32 i
    cdef int index
    cdef Ops* ops
    if machine.model == RA:
        return 0
    for i in range(1, machine.location_count):
        if machine.locations[i].value:
            hash += mixed(machine.locations[i].offset ^ mixed(machine.locations[i].value))
    for index in range(machine.processes):
        ops = &machine.process[index]
        if ops.role not in (PROGRAM, NOBODY):
            return 0
        if ops.role == PROGRAM and ops.position < ops.program_length:
            if ops.program[ops.position].kind in (DO_PUT2, DO_GET2):
                return 0
        words[0] = <u64>ops.state
        words[1] = ops.position
        words[2] = ops.futex if ops.state == PARKED else 0
        words[3] = ops.futex_seen if ops.state == PARKED else 0
        words[4] = 0
        if ops.timer_ns != INT64_MAX:
            words[4] = <u64>(ops.timer_ns - machine.clock_ns)
        hash = mixed(hash ^ checksum_bytes(<const u8*>words, sizeof(words)))
        hash = mixed(hash ^ checksum_bytes(<const u8*>ops.registers, sizeof(ops.registers)))
        for i in range(ops.buffered):
            words[0] = ops.entries[i].location
            words[1] = ops.entries[i].value
            words[2] = ops.entries[i].mask
            words[3] = <u64>(ops.entries[i].generation - ops.entries[0].generation)
            hash = mixed(hash ^ checksum_bytes(<const u8*>words, sizeof(words)))
    return hash or 1
