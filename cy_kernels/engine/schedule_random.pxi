# random: a uniform draw among the moves at every step. The baseline that every other scheduler has
# to beat; finds what needs few ordered steps, and anything given enough executions.

cdef inline u32 pick_random(Machine* machine, Moves* moves) noexcept nogil:
    if moves.extra and random_below(machine, DISTURB_ONE_IN) == 0:
        return moves.count + random_below(machine, moves.extra)
    return random_below(machine, moves.count)
