# What each step of a reduced search touched: the engine's trace, kept as sets of objects.

cdef void begin_step(Machine* machine, Reduction* r, u32 actor, u32 node) noexcept nogil:
    cdef Taken* step
    cdef u32 room = r.taken_room
    cdef u32* clocks
    cdef int index
    if not has_room(machine, <void**>&r.taken, r.taken_count, &r.taken_room, sizeof(Taken)):
        return
    if room != r.taken_room:
        clocks = <u32*>realloc(r.clocks, <size_t>r.taken_room * SEARCH_ACTORS * sizeof(u32))
        if clocks == NULL:
            machine.is_out_of_memory = True
            r.taken_room = room
            machine.stop = OUT_OF_STEPS
            return
        r.clocks = clocks
    step = &r.taken[r.taken_count]
    r.taken_count += 1
    memset(step, 0, sizeof(Taken))
    step.actor = actor
    step.node = node
    step.buffer_ops = r.buffer_op_count
    step.drained = -1
    for index in range(machine.processes):
        if actor == actor_of(r, A_PROCESS, index, 0):
            begin_process_step(machine, r, step, index)
        elif machine.process[index].state == PARKED and machine.wakes_spuriously:
            if actor == actor_of(r, A_SPURIOUS_WAKE, index, 0):
                touch(r, &step.footprint, object_of(
                    r, A_QUEUE, machine.locations[machine.process[index].futex].offset), True)
                note_one_less(machine)


cdef void begin_process_step(
    Machine* machine, Reduction* r, Taken* step, int index
) noexcept nogil:
    join_footprint(&step.footprint, &r.blocked[index])
    memset(&r.blocked[index], 0, sizeof(Footprint))
    if r.timekeepers >> index & 1:
        step.footprint.is_timed = True
    if machine.process[index].next_drains:
        step.drained = index


cdef inline void touch(Reduction* r, Footprint* footprint, u32 object, bint writes) noexcept nogil:
    if writes:
        footprint.writes[object >> 6] |= <u64>1 << (object & 63)
    else:
        footprint.reads[object >> 6] |= <u64>1 << (object & 63)


# The step that is under way touches the object. Before the first step: nobody races with it.
cdef void note_object(Machine* machine, Key kind, u32 location, bint writes) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    if r.taken_count:
        touch(r, &r.taken[r.taken_count - 1].footprint,
              object_of(r, kind, machine.locations[location].offset), writes)


cdef void note_buffer_op(Ops* ops, u32 location, bint flushes) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Reduction* r = machine.search.reduction
    cdef BufferOp* op
    cdef u32 i
    if not has_room(machine, <void**>&r.buffer_ops, r.buffer_op_count, &r.buffer_op_room,
                    sizeof(BufferOp)):
        return
    op = &r.buffer_ops[r.buffer_op_count]
    r.buffer_op_count += 1
    op.object = object_of(r, A_WORD, machine.locations[location].offset)
    op.process = <u8>ops.index
    op.flushes = flushes
    op.generation = ops.generation
    if flushes:
        for i in range(ops.buffered):
            if ops.entries[i].location == location:
                op.generation = ops.entries[i].generation
                break


# What a waiting loop read in its last turn: its step looks at the versions of all that.
cdef void note_watched(Ops* ops, Footprint* footprint) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Reduction* r = machine.search.reduction
    cdef u32 i
    for i in range(min(ops.read_count, <u32>READS_MAX)):
        touch(r, footprint, object_of(
            r, A_WORD, machine.locations[ops.reads[i].location].offset), False)


cdef void note_watch(Ops* ops) noexcept nogil:
    cdef Reduction* r = ops.machine.search.reduction
    if r.taken_count:
        note_watched(ops, &r.taken[r.taken_count - 1].footprint)


cdef void note_clock(Machine* machine) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    if r.taken_count:
        r.taken[r.taken_count - 1].footprint.is_timed = True


# RA: a system call on a futex is a fence too, and what it knows meets what its queue knows.
cdef void note_kernel(Machine* machine, u32 location) noexcept nogil:
    note_object(machine, THE_FENCES, 0, True)
    note_object(machine, A_QUEUE, location, True)


# A timer that fires early is a step of its own already.
cdef void note_timer(Machine* machine) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    if r.taken_count == 0 or r.taken[r.taken_count - 1].actor != r.clock_actor:
        begin_step(machine, r, r.clock_actor, NO_STEP)
        r.expands_all = r.expands_all or (machine.runnable | machine.buffering) != 0
    note_clock(machine)


# A spurious wake-up comes only while somebody else can move, so who parks before the other's last
# move makes a difference.
cdef inline void note_one_less(Machine* machine) noexcept nogil:
    if machine.wakes_spuriously:
        note_object(machine, THE_MOVERS, 0, True)


cdef void note_block(Ops* ops, int state) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Reduction* r = machine.search.reduction
    note_one_less(machine)
    if state == WATCHING:
        note_watched(ops, &r.blocked[ops.index])
    elif state == PARKED:
        note_object(machine, A_QUEUE, ops.futex, True)
        touch(r, &r.blocked[ops.index], object_of(
            r, A_QUEUE, machine.locations[ops.futex].offset), False)


cdef void note_event(Ops* ops, int kind, u32 location, u64 value, int order) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef bint is_buffered = machine.model == TSO or machine.model == PSO
    if kind == LOAD:
        note_object(machine, A_WORD, location, False)
    elif kind == STORE and is_buffered:
        note_buffer_op(ops, location, False)
    elif kind == STORE or kind == EXCHANGE:
        note_object(machine, A_WORD, location, True)
    elif kind == FLUSH:
        note_object(machine, A_WORD, location, True)
        note_buffer_op(ops, location, True)
        if ops.buffered == 1:
            note_one_less(machine)
    elif kind == FENCE and machine.model == RA and order == SEQ_CST:
        note_object(machine, THE_FENCES, 0, True)
    elif kind == WAKE and location:
        note_object(machine, A_QUEUE, location, True)
    elif kind == TIMER:
        note_timer(machine)
    elif kind == BLOCK:
        note_block(ops, <int>value)
