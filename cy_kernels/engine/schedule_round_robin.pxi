# round_robin: everybody in turn, one step each: process 0, its store buffer, process 1, its buffer,
# ... One execution shows all it can ever show; it is the fairest there is, and the tamest.

cdef u32 pick_round_robin(Machine* machine, Moves* moves) noexcept nogil:
    cdef u64 mask = moves.runnable
    cdef u32 option = 0, chosen = 0, nearest = ACTORS_MAX
    cdef u32 actor, distance
    cdef int is_buffer
    for is_buffer in range(2):
        while mask:
            actor = 2 * ((machine.current + lowest_bit(mask)) & 63) + is_buffer
            mask &= mask - 1
            distance = (actor - machine.actor - 1) & (ACTORS_MAX - 1)
            if distance < nearest:
                nearest = distance
                chosen = option
            option += 1
        mask = moves.buffering
    machine.actor = (machine.actor + 1 + nearest) & (ACTORS_MAX - 1)
    return chosen
