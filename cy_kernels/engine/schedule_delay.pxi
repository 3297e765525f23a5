# delay:D, after delay-bounded scheduling (Emmi, Qadeer, Rakamaric, POPL 2011): the default schedule
# but for D random moments, at each of which something else is chosen than the default. Finds what
# few deviations show, and its tape is short already: at most D entries differ from 0.

cdef inline u32 pick_delay(Machine* machine, u32 count) noexcept nogil:
    cdef u32 option = 0
    while (machine.changes < machine.depth
           and machine.change_at[machine.changes] <= machine.tape_length):
        option = 1 + random_below(machine, count - 1)
        machine.changes += 1
    return option
