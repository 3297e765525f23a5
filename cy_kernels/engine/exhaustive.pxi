# exhaustive: every execution of a small program, by depth-first search over the choice tape. After
# an execution the last choice that has an option left takes it, what came before is repeated, and
# what follows takes option 0 until it is increased in turn. With a bound, only tapes with so many
# deviations (nonzero choices) are made, those with exactly so many being counted: the bound is on
# the default schedule's neighbourhood, as in delay-bounded scheduling.

cdef enum:
    UNBOUNDED = 0xffffffff


cdef struct Reduction  # reduction.pxi


cdef struct Search:
    Reduction* reduction
    u8* options  # that each choice on the tape had
    u32 options_room
    u32 prefix  # choices at the tape's beginning that are to be repeated
    u32 deviations_max
    bint is_begun
    bint is_cut  # the bound left something out


cdef bint make_search(Machine* machine) noexcept nogil:
    machine.search = <Search*>calloc(1, sizeof(Search))
    if machine.search == NULL:
        return False
    machine.search.options_room = TAPE_FIRST_BYTES
    machine.search.options = <u8*>malloc(TAPE_FIRST_BYTES)
    machine.search.reduction = new_reduction()
    return machine.search.options != NULL and machine.search.reduction != NULL


cdef void free_search(Machine* machine) noexcept nogil:
    if machine.search != NULL:
        free(machine.search.options)
        free_reduction(machine.search.reduction)
        free(machine.search)
        machine.search = NULL


cdef void begin_search(Search* search, u32 deviations_max) noexcept nogil:
    search.prefix = 0
    search.deviations_max = deviations_max
    search.is_begun = search.is_cut = False


cdef u32 enumerated(Machine* machine, u32 count) noexcept nogil:
    cdef Search* search = machine.search
    cdef u32 at = machine.tape_length
    cdef u8* grown
    if at == search.options_room:
        grown = <u8*>realloc(search.options, 2 * <size_t>search.options_room)
        if grown == NULL:
            machine.is_out_of_memory = True
            machine.stop = OUT_OF_STEPS
            return 0
        search.options = grown
        search.options_room *= 2
    search.options[at] = <u8>count
    return machine.tape[at] if at < search.prefix else 0


cdef u32 count_deviations(Machine* machine) noexcept nogil:
    cdef u32 at, deviations = 0
    for at in range(machine.tape_length):
        deviations += machine.tape[at] != 0
    return deviations


# Leave on the tape the beginning of the next execution; False: there is none.
cdef bint has_next(Machine* machine) noexcept nogil:
    cdef Search* search = machine.search
    cdef u32 deviations, at
    if not search.is_begun:
        search.is_begun = True
        return True
    if machine.scheduler == REDUCED:
        return has_next_reduced(machine)
    deviations = count_deviations(machine)
    at = machine.tape_length
    while at:
        at -= 1
        deviations -= machine.tape[at] != 0  # from here: of what is before it
        if <u32>machine.tape[at] + 1 < search.options[at]:
            if deviations < search.deviations_max:
                machine.tape[at] += 1
                search.prefix = at + 1
                return True
            search.is_cut = True
    return False


# Whether the search has made this one before: with a lower bound, or in another order.
cdef bint is_repeated(Machine* machine) noexcept nogil:
    if machine.scheduler == REDUCED:
        return machine.search.reduction.is_pruned
    return (machine.search.deviations_max != UNBOUNDED
            and count_deviations(machine) < machine.search.deviations_max)
