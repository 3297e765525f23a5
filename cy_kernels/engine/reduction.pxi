# Exhaustive search with dynamic partial-order reduction: at least one execution of each trace (of
# all executions that differ only in the order of independent steps). Source-DPOR with sleep sets:
# Abdulla, Aronis, Jonsson, Sagonas, "Source sets" (JACM 2017), with store buffers as threads of
# their own: Abdulla et al., "Stateless model checking for TSO and PSO" (Acta Informatica 2017).
#
# An *actor* takes a step: a process, a store buffer (TSO), a buffer's one location (PSO), the
# clock, a spurious wake-up. After each execution its races are found (races.pxi): conflicting
# steps of different actors that nothing else orders. At the node before the first of two the search
# shall also begin with something that leads to the second one first. Why that loses nothing:
#
#   - Steps conflict if both touch one object and one of the two writes it. Objects: each location;
#     the queue of each futex; the order of RA's SC fences. A buffered store touches none, the flush
#     its location. A waiting loop that looks whether what it read has changed reads all of it, at
#     its last step and again at the one that it is woken for.
#   - A step that makes another possible comes before it: a store before its flush; under PSO the
#     flushes of an earlier generation; all flushes before a fence, a read-modify-write or a system
#     call, which here wait for an empty buffer (to empty it in the same step is the same state).
#   - What is chosen inside a step (which message a load reads, where a store is placed) is
#     enumerated; a step's conflicts when it sleeps are those of all its alternatives.
#   - The clock: firing and setting a timer, and whatever a process with a deadline or an interval
#     does, conflicts with everything. A timer that fires because its time has come while others can
#     run makes the search expand every node of that execution.
#   - Early timers and spurious wake-ups can become impossible without being taken: each node that
#     offers them takes them. As they come only while somebody else can move, steps that end a
#     process's or a buffer's moves conflict with each other where spurious wake-ups are allowed.
#
# Sleep sets cut an execution as soon as only steps are left that another execution began with.

cdef enum:
    SEARCH_ACTORS = 64  # bits of a mask
    SEARCH_OBJECTS = 128
    SEARCH_PROCESSES = 16
    SEARCH_STEPS = 10000  # of an execution: the race analysis is quadratic in the worst case
    IDS_ROOM = 256  # power of two
    NO_STEP = 0xffffffff

cdef enum Key:  # of actors and objects
    A_PROCESS = 1
    A_BUFFER
    THE_CLOCK
    A_SPURIOUS_WAKE
    A_WORD
    A_QUEUE
    THE_FENCES
    THE_MOVERS

cdef enum Trouble:
    NO_TROUBLE = 0
    TOO_LARGE
    DIVERGED

cdef struct Ids:  # small numbers for keys, the same in every execution of a search
    u64 keys[IDS_ROOM]
    u8 numbers[IDS_ROOM]
    u32 count

cdef struct Footprint:
    u64 reads[2]  # bit masks of objects
    u64 writes[2]
    bint is_timed

cdef struct Sleeper:
    Footprint footprint  # of what its next step did when it was tried
    u32 actor

cdef struct Node:  # of the search's stack: a choice of who steps, or one inside a step
    Footprint footprint  # of the chosen step, all its alternatives so far
    u64 enabled  # masks of actors
    u64 backtrack  # to be tried here
    u64 asleep
    u32 sleepers  # where its own begin
    u32 chosen
    u32 option  # inside a step
    u32 options  # 0: a choice of who steps

cdef struct Taken:  # a step of the execution
    Footprint footprint
    u32 actor
    u32 node  # NO_STEP: the clock, when nothing else could move
    u32 buffer_ops  # where its own begin
    int drained  # the process that went on once its buffer was empty, or -1

cdef struct BufferOp:
    u32 object
    u32 generation
    u8 process
    bint flushes

cdef struct Move:
    u32 actor
    u32 option
    int entry  # that leaves, where the buffer has a choice; else -1

cdef struct Pending:
    u32 object
    u32 step

cdef struct Reduction:
    Ids actors
    Ids objects
    u64 buffers_of[SEARCH_PROCESSES]  # masks of actors
    u64 extras  # the clock and spurious wake-ups
    u64 timekeepers  # processes that look at the clock
    u32 clock_actor
    # The stack.
    Node* nodes
    u32 node_count
    u32 node_room
    Sleeper* sleepers
    u32 sleeper_count
    u32 sleeper_room
    u32 changed  # the node where this execution leaves the one before
    # This execution.
    u32 depth  # nodes passed
    Taken* taken
    u32* clocks  # SEARCH_ACTORS for each step: 1 + the last step of that actor before it
    u32 taken_count
    u32 taken_room
    BufferOp* buffer_ops
    u32 buffer_op_count
    u32 buffer_op_room
    Footprint blocked[SEARCH_PROCESSES]  # what the step after a wait depends on
    Move moves[SEARCH_ACTORS]
    u32 move_count
    int entry  # that the chosen flush takes; -1: no choice
    bint expands_all
    bint is_pruned
    int trouble
    # The race analysis.
    u32 writer[SEARCH_OBJECTS]
    u64 read_by[SEARCH_OBJECTS]  # since the last write
    u32 reader[SEARCH_OBJECTS * SEARCH_ACTORS]
    u32 last_of[SEARCH_ACTORS]
    u32 last_timed
    Pending pending[SEARCH_PROCESSES][BUFFER_MAX + 1]
    u32 pending_count[SEARCH_PROCESSES]
    u32 generation[SEARCH_PROCESSES]
    u32 flushed[SEARCH_PROCESSES][SEARCH_ACTORS]  # clocks: all flushes of this generation
    u32 flushed_before[SEARCH_PROCESSES][SEARCH_ACTORS]


cdef u32 number_of(Reduction* r, Ids* ids, u64 key, u32 limit) noexcept nogil:
    cdef u32 at = <u32>((key * <u64>0x9E3779B97F4A7C15) >> 56)
    while ids.keys[at] != key:
        if ids.keys[at] == 0:
            if ids.count == limit:
                r.trouble = TOO_LARGE
                return 0
            ids.keys[at] = key
            ids.numbers[at] = <u8>ids.count
            ids.count += 1
            break
        at = (at + 1) & (IDS_ROOM - 1)
    return ids.numbers[at]


cdef inline u32 actor_of(Reduction* r, Key kind, u32 process, u32 offset) noexcept nogil:
    return number_of(
        r, &r.actors, <u64>kind << 56 | <u64>process << 40 | offset, SEARCH_ACTORS)


cdef inline u32 object_of(Reduction* r, Key kind, u32 offset) noexcept nogil:
    return number_of(r, &r.objects, <u64>kind << 56 | offset, SEARCH_OBJECTS)


# Room for one more; False: there is no memory.
cdef bint has_room(
    Machine* machine, void** array, u32 count, u32* room, size_t size
) noexcept nogil:
    cdef u32 wanted = max(2 * room[0], 256)
    cdef void* grown
    if count < room[0]:
        return True
    grown = realloc(array[0], wanted * size)
    if grown == NULL:
        machine.is_out_of_memory = True
        machine.stop = OUT_OF_STEPS
        return False
    array[0] = grown
    room[0] = wanted
    return True


cdef inline bint conflict(Footprint* a, Footprint* b) noexcept nogil:
    return (a.is_timed or b.is_timed
            or (a.writes[0] & (b.reads[0] | b.writes[0])) != 0
            or (a.writes[1] & (b.reads[1] | b.writes[1])) != 0
            or (b.writes[0] & a.reads[0]) != 0
            or (b.writes[1] & a.reads[1]) != 0)


cdef inline void join_footprint(Footprint* to, Footprint* other) noexcept nogil:
    cdef int half
    for half in range(2):
        to.reads[half] |= other.reads[half]
        to.writes[half] |= other.writes[half]
    to.is_timed = to.is_timed or other.is_timed


cdef Reduction* new_reduction() noexcept nogil:
    return <Reduction*>calloc(1, sizeof(Reduction))


cdef void free_reduction(Reduction* r) noexcept nogil:
    if r != NULL:
        free(r.nodes)
        free(r.sleepers)
        free(r.taken)
        free(r.clocks)
        free(r.buffer_ops)
        free(r)


cdef void begin_reduction(Machine* machine, Reduction* r) noexcept nogil:
    cdef int index
    cdef Work* work
    memset(&r.actors, 0, sizeof(Ids))
    memset(&r.objects, 0, sizeof(Ids))
    memset(r.buffers_of, 0, sizeof(r.buffers_of))
    r.trouble = NO_TROUBLE
    r.node_count = r.sleeper_count = r.changed = 0
    r.timekeepers = 0
    r.clock_actor = actor_of(r, THE_CLOCK, 0, 0)
    r.extras = <u64>1 << r.clock_actor
    for index in range(machine.processes):
        work = &machine.process[index].work
        if machine.process[index].role != PROGRAM and (
                work.deadline_ns >= 0 or work.interval_ns or work.evicts):
            r.timekeepers |= <u64>1 << index


cdef void begin_reduced_execution(Reduction* r) noexcept nogil:
    r.depth = r.taken_count = r.buffer_op_count = 0
    r.entry = -1
    r.expands_all = r.is_pruned = False
    memset(r.blocked, 0, sizeof(r.blocked))
