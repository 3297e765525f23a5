# What RA's views are at the beginning of an execution, of a location and of a life, and how they
# meet where processes do so outside the region: in the kernel.

cdef bint allocate_views(Machine* machine) noexcept nogil:
    machine.views.base = eights(<u32>machine.processes)
    machine.views.width = machine.views.base
    return resize_rows(
        machine, fences_row(machine) + FIRST_ROWS, machine.views.base + FIRST_STRIDE)


cdef void free_views(Views* views) noexcept nogil:
    free(views.rows)
    free(views.about)
    free(views.spare)
    free(views.timelines)
    free(views.accesses)


# For a new execution: no memory is given back, and rows are forgotten all at once.
cdef void reset_views(Machine* machine) noexcept nogil:
    cdef Views* views = &machine.views
    cdef u32 row
    cdef int process
    views.used = fences_row(machine) + 1
    views.spare_count = 0
    for row in range(views.used):
        memset(row_at(views, row), 0, views.width * sizeof(int))
    views.width = eights(views.base + 1)
    for process in range(machine.processes):
        view_of(&machine.process[process])[process] = 1
        machine.process[process].released = 0
        machine.process[process].has_pending = False


# A location that somebody touches for the first time: it has always held 0.
cdef bint new_timeline(Machine* machine, u32 index) noexcept nogil:
    cdef Views* views = &machine.views
    cdef Timeline* timelines
    cdef Access* accesses
    cdef u32 room = views.timeline_room
    if index >= room:
        room = machine.location_room
        timelines = <Timeline*>realloc(views.timelines, room * sizeof(Timeline))
        if timelines != NULL:
            views.timelines = timelines
        accesses = <Access*>realloc(
            views.accesses, <size_t>room * machine.processes * sizeof(Access))
        if accesses != NULL:
            views.accesses = accesses
        if timelines == NULL or accesses == NULL:
            return False
        views.timeline_room = room
    views.width = eights(views.base + index + 1)
    if views.width > views.stride and not resize_rows(machine, views.room, 2 * views.stride):
        return False
    timelines = &views.timelines[index]
    timelines.first = 0
    timelines.count = 1
    timelines.bucket = 0
    timelines.is_plain = False
    memset(timelines.messages, 0, sizeof(Message))
    memset(&views.accesses[<size_t>index * machine.processes], 0,
           machine.processes * sizeof(Access))
    return True


# All have attached, and begin together.
cdef void meet_at_start(Machine* machine) noexcept nogil:
    cdef Views* views = &machine.views
    cdef int* all = row_at(views, 0)  # borrowed, and nothing again below
    cdef int process
    for process in range(machine.processes):
        join_row(all, view_of(&machine.process[process]), views.width)
    for process in range(machine.processes):
        join_row(view_of(&machine.process[process]), all, views.width)
        view_of(&machine.process[process])[process] += 1
    memset(all, 0, views.width * sizeof(int))


# The parent has seen to it that all stores so far are there.
cdef void begin_life_in_views(Ops* ops) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Timeline* line
    cdef u32 index
    give_back_row(machine, ops.released)
    ops.released = 0
    ops.has_pending = False
    memset(pending_of(ops), 0, machine.views.width * sizeof(int))
    for index in range(1, machine.location_count):
        line = &machine.views.timelines[index]
        seen_of(ops, index)[0] = line.messages[line.first + line.count - 1].time


# The process is at its end, and those who find it dead come after all that it did.
cdef inline void end_life_in_views(Ops* ops) noexcept nogil:
    join_row(ending_of(ops), view_of(ops), ops.machine.views.width)
    view_of(ops)[ops.index] += 1


cdef inline void learn_of_end(Ops* ops, Ops* dead) noexcept nogil:
    join_row(view_of(ops), ending_of(dead), ops.machine.views.width)


# In FUTEX_WAIT and FUTEX_WAKE: under the lock of the word's queue.
cdef void kernel_meets(Ops* ops, u32 index) noexcept nogil:
    cdef Views* views = &ops.machine.views
    cdef u32 row = views.timelines[index].bucket
    cdef Row* about
    if row == 0:
        views.timelines[index].bucket = released_row(ops)
        return
    about = &views.about[row]
    memset(row_at(views, row) + about.length, 0, (views.width - about.length) * sizeof(int))
    about.length = views.width
    meet_rows(view_of(ops), row_at(views, row), views.width)
    view_of(ops)[ops.index] += 1


cdef inline void kernel_wakes(Ops* sleeper, u32 index) noexcept nogil:
    cdef Views* views = &sleeper.machine.views
    cdef u32 row = views.timelines[index].bucket
    join_row(view_of(sleeper), row_at(views, row), views.about[row].length)


cdef inline int newest_time(Machine* machine, u32 index) noexcept nogil:
    cdef Timeline* line = &machine.views.timelines[index]
    return line.messages[line.first + line.count - 1].time


# Of what the waiting loop's last turn read: has it a newer message, and is it named once?
cdef inline bint can_advance(Ops* ops, u32 i) noexcept nogil:
    cdef u32 j
    if newest_time(ops.machine, ops.reads[i].location) <= <int>ops.reads[i].version:
        return False
    for j in range(i):
        if ops.reads[j].location == ops.reads[i].location:
            return False
    return True


# Of one of the locations that the last turn read a newer message will be read in the next one; of
# which is a choice. So no turn is repeated, and what is stored is seen in the end. False: there is
# nothing newer.
cdef bint advance_one(Ops* ops) noexcept nogil:
    cdef Timeline* line
    cdef u32 options = 0, option = 0, i, at
    for i in range(ops.read_count):
        options += can_advance(ops, i)
    if options == 0:
        return False
    if options > 1:
        option = choose(ops.machine, options)
    for i in range(ops.read_count):
        if can_advance(ops, i):
            if option == 0:
                break
            option -= 1
    line = &ops.machine.views.timelines[ops.reads[i].location]
    at = line.first
    while line.messages[at].time <= <int>ops.reads[i].version:
        at += 1
    seen_of(ops, ops.reads[i].location)[0] = max(
        seen_of(ops, ops.reads[i].location)[0], line.messages[at].time)
    return True
