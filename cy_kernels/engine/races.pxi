# The races of an execution of a reduced search, by vector clocks, and what is to be tried for them.

cdef inline void join_clock(Reduction* r, u32* clock, u32* other) noexcept nogil:
    cdef u32 i
    for i in range(r.actors.count):
        clock[i] = max(clock[i], other[i])


cdef inline u32* clock_of(Reduction* r, u32 step) noexcept nogil:
    return &r.clocks[<size_t>step * SEARCH_ACTORS]


cdef void begin_races(Reduction* r) noexcept nogil:
    memset(r.writer, 0xff, r.objects.count * sizeof(u32))
    memset(r.read_by, 0, r.objects.count * sizeof(u64))
    memset(r.last_of, 0xff, sizeof(r.last_of))
    memset(r.pending_count, 0, sizeof(r.pending_count))
    memset(r.generation, 0, sizeof(r.generation))
    memset(r.flushed, 0, sizeof(r.flushed))
    memset(r.flushed_before, 0, sizeof(r.flushed_before))
    r.last_timed = NO_STEP


# A flush comes after its store, and under PSO after the flushes of earlier generations.
cdef void order_flush(Machine* machine, Reduction* r, BufferOp* op, u32* clock) noexcept nogil:
    cdef u32 process = op.process
    cdef Pending* pending = r.pending[process]
    cdef u32 i
    for i in range(r.pending_count[process]):
        if pending[i].object == op.object:
            if pending[i].step != NO_STEP:
                join_clock(r, clock, clock_of(r, pending[i].step))
            r.pending_count[process] -= 1
            memmove(&pending[i], &pending[i + 1],
                    (r.pending_count[process] - i) * sizeof(Pending))
            break
    if op.generation != r.generation[process]:
        join_clock(r, r.flushed_before[process], r.flushed[process])
        memset(r.flushed[process], 0, sizeof(r.flushed[process]))
        r.generation[process] = op.generation
    if machine.model == PSO:
        join_clock(r, clock, r.flushed_before[process])


# The buffer's ops of one step, before its own clock is complete ...
cdef void order_buffer_ops(
    Machine* machine, Reduction* r, u32 first, u32 end, u32 step, u32* clock
) noexcept nogil:
    cdef BufferOp* op
    cdef Pending* pending
    cdef u32 i
    for i in range(first, end):
        op = &r.buffer_ops[i]
        if op.flushes:
            order_flush(machine, r, op, clock)
        elif r.pending_count[op.process] <= BUFFER_MAX:
            pending = &r.pending[op.process][r.pending_count[op.process]]
            pending.object = op.object
            pending.step = step
            r.pending_count[op.process] += 1


# ... and when it is.
cdef void keep_flushes(Reduction* r, Taken* step, u32 end, u32* clock) noexcept nogil:
    cdef u32 i, process
    for i in range(step.buffer_ops, end):
        process = r.buffer_ops[i].process
        if not r.buffer_ops[i].flushes:
            continue
        join_clock(r, r.flushed[process], clock)
        if step.node != NO_STEP and not r.buffers_of[process] >> step.actor & 1:
            # A full buffer gave way to a store: it could have done so by itself.
            r.nodes[step.node].backtrack |= r.nodes[step.node].enabled & r.buffers_of[process]


cdef inline void offer(Reduction* r, u32* latest, u64* actors, u32 step) noexcept nogil:
    cdef u32 actor = r.taken[step].actor
    if not actors[0] >> actor & 1 or latest[actor] < step:
        latest[actor] = step
        actors[0] |= <u64>1 << actor


# The latest step of each other actor that conflicts with this one.
cdef u64 find_conflicts(Reduction* r, Taken* step, u32* latest) noexcept nogil:
    cdef u64 actors = 0
    cdef u64 bits, readers
    cdef u32 object, actor
    cdef int half
    for half in range(2):
        bits = step.footprint.reads[half] | step.footprint.writes[half]
        while bits:
            object = 64 * half + lowest_bit(bits)
            if r.writer[object] != NO_STEP:
                offer(r, latest, &actors, r.writer[object])
            if step.footprint.writes[half] >> (object & 63) & 1:
                readers = r.read_by[object]
                while readers:
                    actor = lowest_bit(readers)
                    readers &= readers - 1
                    offer(r, latest, &actors, r.reader[object * SEARCH_ACTORS + actor])
            bits &= bits - 1
    if step.footprint.is_timed:
        for actor in range(r.actors.count):
            if r.last_of[actor] != NO_STEP:
                offer(r, latest, &actors, r.last_of[actor])
    elif r.last_timed != NO_STEP:
        offer(r, latest, &actors, r.last_timed)
    return actors & ~(<u64>1 << step.actor)


cdef void keep_accesses(Reduction* r, Taken* step, u32 index) noexcept nogil:
    cdef u64 bits
    cdef u32 object
    cdef int half
    for half in range(2):
        bits = step.footprint.reads[half] | step.footprint.writes[half]
        while bits:
            object = 64 * half + lowest_bit(bits)
            bits &= bits - 1
            if step.footprint.writes[half] >> (object & 63) & 1:
                r.writer[object] = index
                r.read_by[object] = 0
            else:
                r.read_by[object] |= <u64>1 << step.actor
                r.reader[object * SEARCH_ACTORS + step.actor] = index
    r.last_of[step.actor] = index
    if step.footprint.is_timed:
        r.last_timed = index


# Whether the actor sleeps at the node and what its step did there is independent of `other`.
cdef bint sleeps_through(Reduction* r, u32 node, u32 actor, Footprint* other) noexcept nogil:
    cdef u32 i, end = r.sleeper_count
    if node + 1 < r.node_count:
        end = r.nodes[node + 1].sleepers
    for i in range(r.nodes[node].sleepers, end):
        if r.sleepers[i].actor == actor:
            return not conflict(&r.sleepers[i].footprint, other)
    return False


# Steps `first` and `second` race. What follows `first` without depending on it, and then `second`,
# could have happened in its place: some actor that can begin that has to be tried there. Without
# `first`, `second` can touch something else (a futex wait that sleeps now, where it was refused),
# and depend on what comes before it: it can begin that if nothing does, or if it was tried there.
cdef void reverse(Reduction* r, u32 first, u32 second) noexcept nogil:
    cdef Node* node = &r.nodes[r.taken[first].node]
    cdef u32 leader = r.taken[first].actor
    cdef u64 begins = 0, seen = 0, others
    cdef u32 begun_at[SEARCH_ACTORS]
    cdef Footprint between
    cdef u32 i, actor, other
    memset(&between, 0, sizeof(Footprint))
    for i in range(first + 1, second):
        if clock_of(r, i)[leader] > first:
            continue
        join_footprint(&between, &r.taken[i].footprint)
        actor = r.taken[i].actor
        if seen >> actor & 1:
            continue
        begins |= <u64>1 << actor
        others = seen
        while others:
            other = lowest_bit(others)
            others &= others - 1
            if clock_of(r, i)[other] > begun_at[other]:
                begins &= ~(<u64>1 << actor)
                break
        seen |= <u64>1 << actor
        begun_at[actor] = i
    actor = r.taken[second].actor
    if seen == 0 or not seen >> actor & 1 and sleeps_through(
            r, r.taken[first].node, actor, &between):
        begins |= <u64>1 << actor
    if begins & (node.backtrack | node.asleep):
        return
    begins &= node.enabled
    # None: `second` is possible only because of `first`, so the two are no race.
    if begins:
        node.backtrack |= <u64>1 << lowest_bit(begins)


cdef void find_races(Machine* machine, Reduction* r) noexcept nogil:
    cdef u32 latest[SEARCH_ACTORS]
    cdef u64 actors, racing, rest
    cdef u32 index, end, actor, other, first_new = 0
    cdef u32 setup[SEARCH_ACTORS]
    cdef Taken* step
    cdef u32* clock
    begin_races(r)
    memset(setup, 0, sizeof(setup))
    for index in range(r.taken_count):
        if r.taken[index].node <= r.changed:
            first_new = index
    if r.taken_count:
        order_buffer_ops(machine, r, 0, r.taken[0].buffer_ops, NO_STEP, setup)
    for index in range(r.taken_count):
        step = &r.taken[index]
        end = r.buffer_op_count
        if index + 1 < r.taken_count:
            end = r.taken[index + 1].buffer_ops
        clock = clock_of(r, index)
        memset(clock, 0, SEARCH_ACTORS * sizeof(u32))
        if r.last_of[step.actor] != NO_STEP:
            join_clock(r, clock, clock_of(r, r.last_of[step.actor]))
        order_buffer_ops(machine, r, step.buffer_ops, end, index, clock)
        if step.drained >= 0:
            join_clock(r, clock, r.flushed[step.drained])
            join_clock(r, clock, r.flushed_before[step.drained])
        actors = find_conflicts(r, step, latest)
        racing = 0
        rest = actors
        while rest:
            actor = lowest_bit(rest)
            rest &= rest - 1
            if clock[actor] <= latest[actor]:
                racing |= <u64>1 << actor
        actors = racing
        rest = actors
        while rest:
            actor = lowest_bit(rest)
            rest &= rest - 1
            for other in range(r.actors.count):
                if actors >> other & 1 and other != actor and (
                        clock_of(r, latest[other])[actor] > latest[actor]):
                    racing &= ~(<u64>1 << actor)
        while actors:
            actor = lowest_bit(actors)
            actors &= actors - 1
            join_clock(r, clock, clock_of(r, latest[actor]))
        clock[step.actor] = index + 1
        keep_flushes(r, step, end, clock)
        keep_accesses(r, step, index)
        if index < first_new or step.node == NO_STEP:
            continue
        while racing:
            actor = lowest_bit(racing)
            racing &= racing - 1
            if r.taken[latest[actor]].node != NO_STEP:
                reverse(r, latest[actor], index)
