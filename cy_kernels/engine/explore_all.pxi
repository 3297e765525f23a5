# A search over many executions: its count, and its loop as Python sees it.

# Its executions, how many more were cut as repetitions, the steps of all, whether they were all
# there are, how many executions came to each stop and finding.
Explored = namedtuple("Explored", "executions cut steps is_complete stops findings")

cdef enum:
    SEARCHED_AT_ONCE = 10000  # executions between two looks at signals


cdef struct Tally:
    u64 executions
    u64 executions_max
    u64 cut
    u64 steps
    u64 stops[OUT_OF_STEPS + 1]
    u64 findings[MISMATCH + 1]
    bint stops_at_first
    bint is_stopped
    bint is_over  # there is no other execution


# Up to `count` executions, each on from the one before.
cdef u64 enumerate_some(Machine* machine, Tally* tally, u64 count) noexcept nogil:
    cdef u64 made = 0
    while made < count and not (tally.is_over or tally.is_stopped):
        if tally.executions == tally.executions_max:
            tally.is_stopped = True
            break
        if not has_next(machine):
            tally.is_over = True
            break
        reset(machine, 0)
        if machine.scheduler == REDUCED:
            begin_reduced_execution(machine.search.reduction)
        start_all(machine)
        go_on(machine, INT64_MAX)
        tally.steps += machine.steps
        made += 1
        if machine.is_out_of_memory or machine.search.reduction.trouble:
            tally.is_stopped = True
            break
        if is_repeated(machine):
            tally.cut += 1
            continue
        tally.executions += 1
        tally.stops[machine.stop] += 1
        tally.findings[machine.finding] += 1
        tally.is_stopped = tally.stops_at_first and not (
            machine.stop == ENDED_ALL and machine.finding == NO_FINDING)
    return made


cdef int search_within(
    Simulation simulation, Tally* tally, u32 bound, object on_execution
) except -1:
    cdef Machine* machine = &simulation.machine
    cdef u64 before, at_once = SEARCHED_AT_ONCE if on_execution is None else 1
    begin_search(machine.search, bound)
    tally.is_over = False
    while not (tally.is_over or tally.is_stopped):
        before = tally.executions
        with nogil:
            enumerate_some(machine, tally, at_once)
        if machine.is_out_of_memory:
            raise MemoryError
        if machine.search.reduction.trouble == DIVERGED:
            raise RuntimeError("the same choices led to another execution")
        if machine.search.reduction.trouble == TOO_LARGE:
            raise ValueError(f"more than {SEARCH_OBJECTS} locations or {SEARCH_ACTORS} processes "
                             "and buffers: too large to be reduced")
        PyErr_CheckSignals()
        if on_execution is not None and before < tally.executions and on_execution(simulation):
            tally.is_stopped = True
    return 0


cdef int search_bounds(
    Simulation simulation, Tally* tally, object max_deviations, object on_execution
) except -1:
    cdef Machine* machine = &simulation.machine
    if max_deviations is None:
        return search_within(simulation, tally, UNBOUNDED, on_execution)
    for bound in range(max_deviations + 1):
        search_within(simulation, tally, bound, on_execution)
        if tally.is_stopped or not machine.search.is_cut:
            break
    return 0


cdef object search_all(
    Simulation simulation, bint reduces, u64 max_executions, object max_deviations,
    bint stops_at_first, object on_execution
):
    cdef Machine* machine = &simulation.machine
    cdef int scheduler = machine.scheduler, traces = machine.traces
    cdef bint stops_at_finding = machine.stops_at_finding
    cdef Tally tally
    memset(&tally, 0, sizeof(Tally))
    tally.executions_max = max_executions
    tally.stops_at_first = stops_at_first
    if machine.search == NULL and not make_search(machine):
        raise MemoryError
    if reduces and max_deviations is None and machine.processes > SEARCH_PROCESSES:
        raise ValueError(f"{machine.processes} processes: at most {SEARCH_PROCESSES} to be reduced")
    if reduces and max_deviations is None and monitors(machine) and (
            machine.wakes_spuriously or machine.misses_wakes):
        raise ValueError("spurious and missed wake-ups of a monitor cannot be reduced")
    machine.search.reduction.trouble = NO_TROUBLE
    machine.scheduler = EXHAUSTIVE
    if reduces and max_deviations is None:
        machine.scheduler = REDUCED
        machine.traces |= KEEPS_FOOTPRINTS
        begin_reduction(machine, machine.search.reduction)
    # An execution that is cut short would hide the races of its rest.
    machine.stops_at_finding = stops_at_finding and stops_at_first
    try:
        search_bounds(simulation, &tally, max_deviations, on_execution)
    finally:
        machine.scheduler = scheduler
        machine.traces = traces
        machine.stops_at_finding = stops_at_finding
    return explored(machine, &tally)


cdef bint monitors(Machine* machine):
    cdef u32 place
    for index in range(machine.processes):
        for place in range(machine.process[index].program_length):
            if machine.process[index].program[place].kind == DO_MONITOR:
                return True
    return False


cdef object explored(Machine* machine, Tally* tally):
    cdef bint is_whole = not machine.search.is_cut and not tally.stops[<int>OUT_OF_STEPS]
    return Explored(
        tally.executions,
        tally.cut,
        tally.steps,
        bool(tally.is_over and is_whole),
        {name: tally.stops[n] for n, name in enumerate(STOPS) if tally.stops[n]},
        {name: tally.findings[n] for n, name in enumerate(FINDINGS) if n and tally.findings[n]},
    )
