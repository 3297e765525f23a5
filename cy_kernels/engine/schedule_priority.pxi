# What pct and pos share: each process and each store buffer has a priority, and the highest that
# can move does. And the moments of an execution at which pct and delay do something.

cdef enum:
    BUFFERS_FROM = PROCESSES_MAX  # actor number of process 0's buffer
    EXPECTED_CHOICES = 1000  # of an execution that nobody has measured


cdef void draw_priorities(Machine* machine) noexcept nogil:
    cdef int index
    for index in range(machine.processes):
        machine.priority[index] = DEPTH_MAX + (next_random(&machine.rng) >> 1)
        machine.priority[BUFFERS_FROM + index] = DEPTH_MAX + (next_random(&machine.rng) >> 1)


# The option of the highest priority; `actor` is told whose it is.
cdef u32 pick_highest(Machine* machine, Moves* moves, u32* actor) noexcept nogil:
    cdef u64 mask = moves.runnable
    cdef u64 highest = 0
    cdef u32 option = 0, chosen = 0
    cdef u32 candidate
    cdef int is_buffer
    for is_buffer in range(2):
        while mask:
            candidate = (machine.current + lowest_bit(mask)) & 63
            candidate += is_buffer * BUFFERS_FROM
            mask &= mask - 1
            if machine.priority[candidate] >= highest:
                highest = machine.priority[candidate]
                chosen = option
                actor[0] = candidate
            option += 1
        mask = moves.buffering
    return chosen


# `count` moments, uniform over the choices that an execution is expected to have, ascending.
cdef void draw_changes(Machine* machine, u32 count) noexcept nogil:
    cdef u32 expected = machine.expected_choices or EXPECTED_CHOICES
    cdef u32 made, at, place
    machine.changes = 0
    for made in range(count):
        at = random_below(machine, expected)
        place = made
        while place > 0 and machine.change_at[place - 1] > at:
            machine.change_at[place] = machine.change_at[place - 1]
            place -= 1
        machine.change_at[place] = at
