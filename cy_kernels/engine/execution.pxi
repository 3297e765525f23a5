# One execution from its first step to its last, and the lives of its processes.

cdef void run_process(void* argument) noexcept nogil:
    cdef Ops* ops = <Ops*>argument
    trace(ops, STARTED, 0, 0, <u64>ops.incarnation, 0)
    if ops.role == RING_WRITER:
        write_ring(ops)
    elif ops.role == RING_READER:
        read_ring(ops)
    elif ops.role == PROGRAM:
        run_program(ops)
    if ops.is_setup:  # a life that was over before it was attached
        ops.is_setup = False
        switch_to(&ops.context, &ops.machine.driver)
    trace(ops, FINISHED, 0, 0, 0, 0)
    ops.ended_ns = ops.machine.clock_ns
    block(ops, DONE)
    if ops.machine.model == RA:
        end_life_in_views(ops)
    schedule(ops.machine, ops)


cdef void start_process(Machine* machine, int index) noexcept nogil:
    cdef Ops* ops = &machine.process[index]
    prepare_fiber(&ops.context, ops.stack, run_process, ops)
    ops.owner = <u64>(index + 1) | <u64>(ops.incarnation + 1) << 8
    ops.timer_ns = INT64_MAX
    ops.messages = 0
    ops.generation = 0
    ops.site = 0
    ops.is_idle = False
    ops.next_location = 0
    ops.is_repeat = False
    ops.seen = 0
    ops.is_attached = False
    ops.held_for = HELD_NOT
    ops.phase = IN_MESSAGES
    ops.idle_until_ns = 0
    ops.slow_ns = 0
    ops.slowed = 0
    ops.raises_next = False
    ops.next_drains = False
    ops.read_count = 0
    ops.is_monitoring = False
    ops.has_overslept = False
    memset(&ops.habit, 0, sizeof(Habit))
    if machine.model == RA:
        begin_life_in_views(ops)
    make_runnable(machine, ops)


cdef void reset(Machine* machine, u64 seed) noexcept nogil:
    cdef u32 location
    cdef int index
    cdef Ops* ops
    for location in range(1, machine.location_count):
        machine.location_of[machine.locations[location].offset] = 0
    machine.location_count = 1
    if machine.model == RA:
        reset_views(machine)
    machine.runnable = machine.stopped = machine.buffering = machine.timed = 0
    machine.current = 0
    machine.clock_ns = 0
    machine.until_ns = machine.next_event_ns = INT64_MAX
    machine.steps = 0
    machine.stop = RUNNING
    machine.rng = mixed(seed + <u64>0x9E3779B97F4A7C15) | 1
    machine.tape_length = 0
    machine.has_diverged = False
    begin_schedule(machine)
    machine.finding = NO_FINDING
    machine.ring.sent = 0
    machine.trace_count = 0
    machine.memory_hash = 0
    for index in range(machine.processes):
        ops = &machine.process[index]
        ops.state = ABSENT
        ops.incarnation = 0
        ops.buffered = 0
        ops.filter = 0
        ops.done = 0
        ops.record_count = 0
        ops.armed_site = 0
        ops.next_stop = UINT64_MAX
        ops.stops_attached = False


# Every process comes to life and attaches.
cdef void start_all(Machine* machine) noexcept nogil:
    cdef int index
    cdef Ops* ops
    machine.is_starting = True
    for index in range(machine.processes):
        ops = &machine.process[index]
        if ops.role == NOBODY or ops.is_held_back:
            continue
        ops.is_setup = ops.armed_site == 0
        start_process(machine, index)
        if ops.is_setup:
            switch_to(&machine.driver, &ops.context)
    machine.is_starting = False
    if machine.model == RA:
        meet_at_start(machine)


cdef inline int go_on(Machine* machine, i64 until_ns) noexcept nogil:
    machine.until_ns = until_ns
    machine.next_event_ns = min(machine.clock_ns, until_ns)  # the timers are looked at anew
    machine.stop = RUNNING
    schedule(machine, NULL)
    return machine.stop


# The end of a life in the middle of a step; what is in its store buffer leaves as on a real core.
cdef void end_life(Machine* machine, int index) noexcept nogil:
    cdef Ops* ops = &machine.process[index]
    block(ops, DEAD)
    if machine.model == RA:
        end_life_in_views(ops)
    ops.ended_ns = machine.clock_ns
    ops.timer_ns = INT64_MAX
    machine.timed &= ~(<u64>1 << index)
    machine.stopped &= ~(<u64>1 << index)


cdef void begin_life(Machine* machine, int index) noexcept nogil:
    cdef Ops* ops = &machine.process[index]
    drain(ops)
    ops.incarnation += 1
    ops.is_setup = False
    start_process(machine, index)


# The tape and what it led to, as one number.
cdef u64 execution_hash(Machine* machine) noexcept nogil:
    cdef u64 hash = checksum_bytes(machine.tape, machine.tape_length)
    cdef int index
    hash = mixed(hash ^ machine.steps)
    hash = mixed(hash ^ <u64>machine.clock_ns)
    hash = mixed(hash ^ <u64>(machine.stop << 8 | machine.finding))
    for index in range(machine.processes):
        hash = mixed(hash ^ checksum_bytes(
            <const u8*>machine.process[index].records,
            machine.process[index].record_count * sizeof(RecordLine)))
    return hash
