# Data races under RA: two accesses to a location, one of them a write, one of them not atomic, and
# neither happens before the other (C11 5.1.2.4). Found as by FastTrack (Flanagan and Freund, 2009):
# each process has a clock that moves on with every release, and who acquires learns of it.

cdef enum:
    PLAIN_READ = 0
    PLAIN_WRITE
    ATOMIC_READ
    ATOMIC_WRITE

cdef enum:  # the kinds that race with each, as bits
    RACES_WITH_PLAIN_READ = 1 << PLAIN_WRITE | 1 << ATOMIC_WRITE
    RACES_WITH_PLAIN_WRITE = 0xf
    RACES_WITH_ATOMIC_READ = 1 << PLAIN_WRITE
    RACES_WITH_ATOMIC_WRITE = 1 << PLAIN_READ | 1 << PLAIN_WRITE


cdef inline int kinds_racing_with(int kind) noexcept nogil:
    if kind == PLAIN_READ:
        return RACES_WITH_PLAIN_READ
    if kind == PLAIN_WRITE:
        return RACES_WITH_PLAIN_WRITE
    if kind == ATOMIC_READ:
        return RACES_WITH_ATOMIC_READ
    return RACES_WITH_ATOMIC_WRITE


cdef void look_for_race(Ops* ops, u32 index, int kind, int site) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Access* others = &machine.views.accesses[<size_t>index * machine.processes]
    cdef int* view = view_of(ops)
    cdef int kinds = kinds_racing_with(kind)
    cdef int process, other
    for process in range(machine.processes):
        if process == ops.index:
            continue
        for other in range(4):
            if kinds >> other & 1 and others[process].clock[other] > view[process]:
                if machine.finding == NO_FINDING:
                    machine.race.process = ops.index
                    machine.race.site = site
                    machine.race.other_process = process
                    machine.race.other_site = others[process].site[other]
                find(ops, RACE, ops.position)
                return


cdef inline void note_access(Ops* ops, u32 index, int kind, int site) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Timeline* line = &machine.views.timelines[index]
    cdef Access* mine = &machine.views.accesses[<size_t>index * machine.processes + ops.index]
    if kind == PLAIN_READ or kind == PLAIN_WRITE:
        line.is_plain = True
    if line.is_plain:
        look_for_race(ops, index, kind, site)
    mine.clock[kind] = view_of(ops)[ops.index]
    mine.site[kind] = <u16>site
