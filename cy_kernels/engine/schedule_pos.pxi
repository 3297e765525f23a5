# pos, partial order sampling (Yuan, Yang, Gu, CAV 2018): every op that is about to happen has a
# random priority, and the highest happens. Then it and the ops that it races with draw anew, so
# that the order of two racing ops is always open, while ops that commute are not reordered for
# nothing. Covers the orders of a small program more evenly than the random walk.

# What the actor's next move touches; 0: nothing that others share.
cdef inline u32 next_touched(Machine* machine, u32 actor, bint* writes) noexcept nogil:
    cdef Ops* ops = &machine.process[actor & 63]
    if actor < BUFFERS_FROM:
        writes[0] = ops.next_writes
        return ops.next_location
    writes[0] = True
    return ops.entries[0].location if ops.buffered else 0


cdef void redraw_racing(Machine* machine, u32 actor) noexcept nogil:
    cdef bint writes = False, other_writes = False
    cdef u32 touched = next_touched(machine, actor, &writes)
    cdef u32 other
    cdef int index
    machine.priority[actor] = next_random(&machine.rng)
    if touched == 0:
        return
    for index in range(2 * machine.processes):
        other = (index >> 1) + (index & 1) * BUFFERS_FROM
        if other != actor and next_touched(machine, other, &other_writes) == touched:
            if writes or other_writes:
                machine.priority[other] = next_random(&machine.rng)


cdef u32 pick_pos(Machine* machine, Moves* moves) noexcept nogil:
    cdef u32 actor = 0
    cdef u32 option
    if moves.extra and random_below(machine, DISTURB_ONE_IN) == 0:
        return moves.count + random_below(machine, moves.extra)
    option = pick_highest(machine, moves, &actor)
    redraw_racing(machine, actor)
    return option
