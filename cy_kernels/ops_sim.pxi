# The ops as steps of the simulated machine: give up the turn to the scheduler, then apply the
# memory model. The same names and arguments as in ops_real.pxi, so the protocol compiles over both.
#
# `now`, `point` and `pause_core` touch no shared memory: they pass the trigger and are no steps.

cdef enum:
    WAIT_FIRST = Step.WAIT__CLOCK__NOW
    WAIT_LAST = Step.WAIT__ADAPTIVE__PAUSE


cdef inline int mutant_of(Ops* ops) noexcept nogil:
    return ops.mutant


cdef inline u64 sim_load(Ops* ops, int site, const void* p, int order) noexcept nogil:
    cdef u32 location = location_at(ops.machine, p)
    arrive(ops, site)
    take_turn_at(ops, location, False)
    return read_location(ops, location, site, order)


cdef inline void sim_store(Ops* ops, int site, void* p, u64 value, int order) noexcept nogil:
    cdef u32 location = location_at(ops.machine, p)
    arrive(ops, site)
    if order == SEQ_CST:
        take_draining_turn(ops, location, True)
    else:
        take_turn_at(ops, location, True)
    write_location(ops, location, value, ~<u64>0, site, order)


cdef inline u8 load8(Ops* ops, int site, const u8* p, int order) noexcept nogil:
    return <u8>sim_load(ops, site, p, order)


cdef inline u32 load32(Ops* ops, int site, const u32* p, int order) noexcept nogil:
    return <u32>sim_load(ops, site, p, order)


cdef inline u64 load64(Ops* ops, int site, const u64* p, int order) noexcept nogil:
    return sim_load(ops, site, p, order)


cdef inline void store8(Ops* ops, int site, u8* p, u8 value, int order) noexcept nogil:
    sim_store(ops, site, p, value, order)


cdef inline void store32(Ops* ops, int site, u32* p, u32 value, int order) noexcept nogil:
    sim_store(ops, site, p, value, order)


cdef inline void store64(Ops* ops, int site, u64* p, u64 value, int order) noexcept nogil:
    sim_store(ops, site, p, value, order)


cdef inline void fence(Ops* ops, int site, int order) noexcept nogil:
    arrive(ops, site)
    if order == SEQ_CST:
        take_draining_turn(ops, 0, False)
    else:
        take_turn(ops)
    trace(ops, FENCE, site, 0, 0, order)
    if ops.machine.model == RA:
        view_fence(ops, order)
    elif order == SEQ_CST:
        drain(ops)
    elif order == RELEASE or order == ACQ_REL:
        ops.generation += 1


# A read-modify-write that stores `desired`, or adds, or with `expected` only compares and stores.
cdef inline u64 sim_exchange(
    Ops* ops, int site, void* p, u64 add, u64 expected, u64 desired, bint compares, u64 mask,
    int order
) noexcept nogil:
    cdef u32 location = location_at(ops.machine, p)
    cdef u64 old
    arrive(ops, site)
    take_draining_turn(ops, location, True)
    ops.is_idle = False
    if ops.machine.model == RA:
        old = view_exchange_read(ops, location, site, order, compares, expected)
    else:
        drain(ops)
        old = ops.machine.locations[location].value
        ops.machine.pairs[site * SITES_MAX + ops.machine.locations[location].writer_site] = 1
    if compares and old != expected:
        trace(ops, LOAD, site, location, old, order)
        return old
    if not compares:
        desired = (old + add) & mask
    trace(ops, EXCHANGE, site, location, desired, order)
    if ops.machine.model == RA:
        view_exchange_write(ops, location, desired, site, order)
    else:
        write_through(ops, location, desired, ~<u64>0, site)
    return old


cdef inline u32 add32(Ops* ops, int site, u32* p, u32 value) noexcept nogil:
    return <u32>sim_exchange(ops, site, p, value, 0, 0, False, 0xffffffff, SEQ_CST)


cdef inline u64 add64(Ops* ops, int site, u64* p, u64 value) noexcept nogil:
    return sim_exchange(ops, site, p, value, 0, 0, False, ~<u64>0, SEQ_CST)


cdef inline bint cas32(Ops* ops, int site, u32* p, u32 expected, u32 desired) noexcept nogil:
    return sim_exchange(
        ops, site, p, 0, expected, desired, True, 0xffffffff, SEQ_CST) == expected


cdef inline bint cas64(Ops* ops, int site, u64* p, u64 expected, u64 desired) noexcept nogil:
    return sim_exchange(
        ops, site, p, 0, expected, desired, True, ~<u64>0, SEQ_CST) == expected


# Word by word: each piece of the shared side that lies in one aligned 8-byte word is a step.
cdef void copy(Ops* ops, int site, void* to, const void* source, size_t size) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef bint writes = machine.region <= <u8*>to < machine.region + machine.region_bytes
    cdef u8* shared = <u8*>to if writes else <u8*>source
    cdef u8* private = <u8*>source if writes else <u8*>to
    cdef u64 value
    cdef u32 location, skip, count
    arrive(ops, site)
    while size:
        skip = <u32>(<u64>(shared - machine.region) & 7)
        count = <u32>min(<size_t>(8 - skip), size)
        location = location_at(machine, shared - skip)
        take_turn_at(ops, location, writes)
        if writes:
            value = 0
            memcpy(<u8*>&value + skip, private, count)
            write_location(ops, location, value, byte_mask(skip, count), site, NOT_ATOMIC)
        else:
            value = read_location(ops, location, site, NOT_ATOMIC)
            memcpy(private, <u8*>&value + skip, count)
        shared += count
        private += count
        size -= count


cdef inline u64 byte_mask(u32 skip, u32 count) noexcept nogil:
    return ((~<u64>0) >> (64 - 8 * count)) << (8 * skip)


cdef inline void pause_core(Ops* ops, int site) noexcept nogil:
    arrive(ops, site)


cdef inline void yield_core(Ops* ops, int site) noexcept nogil:
    arrive(ops, site)
    take_turn(ops)


cdef inline i64 now(Ops* ops, int site) noexcept nogil:
    arrive(ops, site)
    return ops.machine.clock_ns


cdef inline void point(Ops* ops, int site) noexcept nogil:
    arrive(ops, site)


# The word is looked at and the sleeper enqueued in one step, as the kernel does under its lock.
cdef int futex_wait(Ops* ops, int site, u32* p, u32 seen, i64 deadline_ns) noexcept nogil:
    cdef u32 location = location_at(ops.machine, p)
    arrive(ops, site)
    take_draining_turn(ops, location, False)
    enter_kernel(ops, location)
    ops.is_idle = False
    if <u32>read_location(ops, location, site, RELAXED) != seen:
        return SLEPT
    if ops.machine.clock_ns >= deadline_ns:
        return SLEPT_TO_DEADLINE
    ops.futex = location
    ops.futex_seen = seen
    ops.woken_by = SLEPT
    block(ops, PARKED)
    set_timer(ops, deadline_ns)
    schedule(ops.machine, ops)
    return ops.woken_by


cdef void futex_wake(Ops* ops, int site, u32* p) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef u32 location = location_at(machine, p)
    cdef bint is_heard = False
    cdef int index
    arrive(ops, site)
    take_draining_turn(ops, location, True)
    enter_kernel(ops, location)
    ops.is_idle = False
    trace(ops, WAKE, site, location, 0, 0)
    for index in range(machine.processes):
        if machine.process[index].state == PARKED and machine.process[index].futex == location:
            machine.process[index].woken_by = SLEPT
            if machine.model == RA:
                kernel_wakes(&machine.process[index], location)
            make_runnable(machine, &machine.process[index])
            is_heard = True
    if not is_heard:
        machine.locations[location].unheard += 1


# From here on a store to the word is noticed. Ordered as a load, as the manuals say of MONITOR.
cdef void monitor(Ops* ops, int site, const void* p) noexcept nogil:
    cdef u32 location = location_at(ops.machine, p)
    arrive(ops, site)
    take_turn_at(ops, location, False)
    ops.read_count = 0
    ops.is_idle = False  # a turn that armed is none that could be repeated
    read_location(ops, location, site, RELAXED)
    ops.monitored = ops.reads[0]


# Sleep until the monitored word is stored to, not at all if it was since; or until the deadline.
# As hardware may, and where the machine allows it, wake for nothing, or sleep through a store.
cdef int monitor_wait(Ops* ops, int site, i64 deadline_ns) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef bint is_late
    arrive(ops, site)
    take_turn(ops)
    ops.is_idle = False
    ops.reads[0] = ops.monitored
    ops.read_count = 1
    if machine.traces & KEEPS_FOOTPRINTS:
        note_watch(ops)
    if machine.clock_ns >= deadline_ns:
        return SLEPT_TO_DEADLINE
    if is_noticed(ops):
        return SLEPT
    ops.is_monitoring = True
    is_late = await_change(ops, deadline_ns)
    ops.is_monitoring = False
    is_noticed(ops)
    return SLEPT_TO_DEADLINE if is_late else SLEPT


# Each instruction that arms a line, and each that waits for it.
cdef inline void monitorx(Ops* ops, int site, const void* p) noexcept nogil:
    monitor(ops, site, p)


cdef inline void umonitor(Ops* ops, int site, const void* p) noexcept nogil:
    monitor(ops, site, p)


cdef inline void arm_exclusive(Ops* ops, int site, const void* p) noexcept nogil:
    monitor(ops, site, p)


# Each says whether its timer ended it. Then it has changed nothing, and what the poll before read
# is read again.
cdef bint wait_for_line(Ops* ops, int site, i64 until_ns) noexcept nogil:
    cdef Read reads[READS_MAX]
    cdef u32 read_count = min(ops.read_count, <u32>READS_MAX)
    cdef bint is_idle = ops.is_idle and ops.read_count <= READS_MAX
    memcpy(reads, ops.reads, read_count * sizeof(Read))
    if monitor_wait(ops, site, until_ns) != SLEPT_TO_DEADLINE:
        return False
    if is_idle:
        memcpy(ops.reads, reads, read_count * sizeof(Read))
        ops.read_count = read_count
        ops.is_idle = True
        ops.has_overslept = True
    return True


cdef inline bint mwaitx(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    return wait_for_line(ops, site, until_ns)


cdef inline bint umwait(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    return wait_for_line(ops, site, until_ns)


cdef inline bint wfet(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    return wait_for_line(ops, site, until_ns)


cdef inline bint wfe(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    return wait_for_line(ops, site, now_ns + EVENT_STREAM_NS)


cdef enum:
    EVENT_STREAM_NS = 100000  # Linux on Arm: an event at least this often


cdef inline void tpause(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil:
    nap(ops, site, until_ns)


# Was the monitored word stored to? With RA the next load of it then reads something newer.
cdef inline bint is_noticed(Ops* ops) noexcept nogil:
    if ops.machine.model == RA:
        return advance_one(ops)
    return ops.machine.locations[ops.monitored.location].version != ops.monitored.version


cdef int nap(Ops* ops, int site, i64 until_ns) noexcept nogil:
    arrive(ops, site)
    if until_ns <= ops.machine.clock_ns:
        take_turn(ops)
        return SLEPT
    sleep_until(ops, until_ns)
    return SLEPT


cdef void sleep_until(Ops* ops, i64 until_ns) noexcept nogil:
    block(ops, NAPPING)
    set_timer(ops, until_ns)
    schedule(ops.machine, ops)


cdef enum:
    ROUNDS_TO_CLOCK = 63  # after so many each strategy's next round looks at the clock, or naps


# How many polls a strategy spends before it sleeps: few, as each costs an execution its steps.
cdef inline u32 patience_of(Ops* ops, u32 polls) noexcept nogil:
    return min(polls, <u32>ops.machine.patience)


# One more poll of a wait follows. A turn of the loop that changed nothing will only repeat itself
# until one of the locations it read changes or its deadline comes, so the process waits for that:
# hangs are exact, and idle time is free. What goes to sleep by itself is left to do so, and who is
# to be held at a step of its waiting really waits. A hardware wait goes on as it is until its timer
# ended one: then nothing that the timer alone can do will change anything. Stepping over slots is
# no repetition.
cdef void poll_again(Ops* ops, Waiter* w) noexcept nogil:
    cdef bint repeats = ops.is_idle and ops.read_count <= READS_MAX
    if w.strategy == PARK or w.strategy == ADAPTIVE:
        repeats = False
    elif w.strategy >= MWAITX:
        repeats &= ops.has_overslept
    ops.has_overslept = False
    if WAIT_FIRST <= ops.armed_site <= WAIT_LAST or ops.mutant == STEP_OVER_NOT_READY:
        repeats = False
    ops.is_repeat = True
    if repeats:
        if watch(ops, w.deadline_ns):
            w.rounds = ROUNDS_TO_CLOCK
    ops.is_idle = True
    ops.read_count = 0


# Wait until something that the last turn read changes; True: the deadline came first.
cdef bint watch(Ops* ops, i64 deadline_ns) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef u32 i
    if machine.traces & KEEPS_FOOTPRINTS:
        note_watch(ops)
    if machine.clock_ns >= deadline_ns:
        return True
    if machine.model == RA:
        while not advance_one(ops):
            if await_change(ops, deadline_ns):
                return True
        return False
    for i in range(ops.read_count):
        if machine.locations[ops.reads[i].location].version != ops.reads[i].version:
            return False
    return await_change(ops, deadline_ns)


# True: the deadline came first.
cdef bint await_change(Ops* ops, i64 deadline_ns) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef u32 i
    for i in range(ops.read_count):
        machine.locations[ops.reads[i].location].watchers |= <u64>1 << ops.index
    ops.woken_by = SLEPT
    block(ops, WATCHING)
    set_timer(ops, deadline_ns)
    schedule(machine, ops)
    for i in range(ops.read_count):
        machine.locations[ops.reads[i].location].watchers &= ~(<u64>1 << ops.index)
    return ops.woken_by == SLEPT_TO_DEADLINE
