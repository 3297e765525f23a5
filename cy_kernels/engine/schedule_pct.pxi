# pct:D, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS
# 2010). Random priorities, and at D - 1 random moments whoever would move falls below everybody.
# Finds a bug that takes D ordered events among n actors and k choices with a probability of at
# least 1 / (n k^(D-1)) in each execution, however long the rest is.
#
# A store buffer is an actor: with a low priority its stores stay until a fence, with a high one
# memory looks sequentially consistent.

cdef void begin_pct(Machine* machine) noexcept nogil:
    cdef u32 change, other
    cdef u32 changes = machine.depth - 1
    draw_priorities(machine)
    draw_changes(machine, changes)
    for change in range(changes):  # which of them leaves its victim lower: any order
        machine.fall_to[change] = change
        other = random_below(machine, change + 1)
        machine.fall_to[change] = machine.fall_to[other]
        machine.fall_to[other] = change


cdef u32 pick_pct(Machine* machine, Moves* moves) noexcept nogil:
    cdef u32 actor = 0
    cdef u32 option
    if moves.extra and random_below(machine, DISTURB_ONE_IN) == 0:
        return moves.count + random_below(machine, moves.extra)
    option = pick_highest(machine, moves, &actor)
    while (machine.changes < machine.depth - 1
           and machine.change_at[machine.changes] <= machine.tape_length):
        machine.priority[actor] = machine.fall_to[machine.changes]
        machine.changes += 1
        option = pick_highest(machine, moves, &actor)
    return option
