# The face of the simulated machine for Python.


cdef class Simulation(_Outcome):
    """One simulated machine; executions begin with `begin` and go on with `go`.

    Process 0 is the writer. Not for use from two threads at once.
    """

    cdef object replayed  # keeps the bytes of machine.replay
    def __cinit__(self, int processes, *, str model="tso"):
        cdef Machine* machine = &self.machine
        cdef int index
        if not 1 <= processes <= PROCESSES_MAX:
            raise ValueError(f"{processes} processes: 1 to {PROCESSES_MAX} can be simulated")
        machine.model = MODELS.index(model)
        machine.processes = processes
        machine.process = <Ops*>calloc(processes, sizeof(Ops))
        machine.locations = <Location*>calloc(FIRST_LOCATIONS, sizeof(Location))
        machine.tape = <u8*>malloc(TAPE_FIRST_BYTES)
        machine.trace = <Trace*>malloc(FIRST_TRACE * sizeof(Trace))
        if NULL in (machine.process, machine.locations, machine.tape, machine.trace):
            raise MemoryError
        if machine.model == RA and not allocate_views(machine):
            raise MemoryError
        machine.location_room = FIRST_LOCATIONS
        machine.location_count = 1
        machine.tape_room = TAPE_FIRST_BYTES
        machine.trace_room = FIRST_TRACE
        machine.steps_max = STEPS_MAX
        machine.patience = 1
        machine.stops_at_finding = True
        machine.scheduler = RANDOM
        for index in range(processes):
            machine.process[index].machine = machine
            machine.process[index].index = index
            machine.process[index].stack = new_stack()
            machine.process[index].records = <RecordLine*>malloc(
                FIRST_RECORDS * sizeof(RecordLine))
            machine.process[index].record_room = FIRST_RECORDS
            if machine.process[index].stack == NULL or machine.process[index].records == NULL:
                raise MemoryError

    def __dealloc__(self):
        cdef Machine* machine = &self.machine
        cdef int index
        if machine.process != NULL:
            for index in range(machine.processes):
                free_stack(machine.process[index].stack)
                free(machine.process[index].records)
                free(machine.process[index].program)
        free(machine.process)
        free_views(&machine.views)
        free(machine.locations)
        free(machine.tape)
        free(machine.trace)
        free(machine.region)
        free(machine.location_of)
        free(machine.sketch)
        free(machine.ring.sizes)
        free_search(machine)

    def set_ring(self, str kind, *, u64 slots, u64 slot_bytes, u32 readers, bint is_fenced=True,
                 str mutant=None, sizes=(64,), u64 payload_seed=0):
        """The ring that all processes share. `sizes`: bytes of each message, or one for all."""
        cdef RingWork* ring = &self.machine.ring
        cdef int process
        cdef int number_of_mutant = 0 if mutant is None else 1 + ALL_MUTANTS.index(mutant)
        if max(sizes) > MESSAGE_ON_STACK:
            raise ValueError(f"messages of {max(sizes)} bytes: at most {MESSAGE_ON_STACK} here")
        ring.kind = {"flag_ring": FLAG_RING, "cursor_ring": CURSOR_RING}[kind]
        ring.slots = slots
        # Chunks begin at words: a word is one location, and no two chunks may share one.
        ring.slot_bytes = (slot_bytes + 7) // 8 * 8
        ring.readers = readers
        ring.is_fenced = is_fenced
        ring.payload_seed = payload_seed
        free(ring.sizes)
        ring.sizes = <u32*>malloc(max(len(sizes), 1) * sizeof(u32))
        if ring.sizes == NULL:
            raise MemoryError
        ring.size_count = len(sizes)
        for number, size in enumerate(sizes):
            ring.sizes[number] = size
        for process in range(self.machine.processes):
            self.machine.process[process].mutant = number_of_mutant
        self.make_region(region_bytes_of(ring))

    cdef int make_region(self, u64 size_bytes) except -1:
        cdef Machine* machine = &self.machine
        free(machine.region)
        free(machine.location_of)
        machine.region = <u8*>calloc(size_bytes, 1)
        machine.location_of = <u32*>calloc(size_bytes, sizeof(u32))
        machine.region_bytes = size_bytes
        machine.location_count = 1
        if machine.region == NULL or machine.location_of == NULL:
            raise MemoryError
        return 0

    def set_writer(self, *, str wait="park", u64 messages=1, i64 interval_ns=0,
                   i64 deadline_ns=-1, str on_timeout="retry", bint shuts_down=False,
                   bint evicts=False):
        """Process 0. Times in ns; a deadline is relative, -1 waits for ever."""
        cdef Ops* ops = &self.machine.process[0]
        ops.role = RING_WRITER
        ops.wait = STRATEGIES.index(wait)
        memset(&ops.work, 0, sizeof(Work))
        ops.work.messages = messages
        ops.work.interval_ns = interval_ns
        ops.work.deadline_ns = deadline_ns
        ops.work.on_timeout = ON_TIMEOUT.index(on_timeout)
        ops.work.shuts_down = shuts_down
        ops.work.evicts = evicts

    def set_reader(self, int index, *, u32 rank, str wait="park", i64 think_ns=0,
                   i64 deadline_ns=-1, str on_timeout="retry"):
        cdef Ops* ops = self.at(index)
        ops.role = RING_READER
        ops.wait = STRATEGIES.index(wait)
        memset(&ops.work, 0, sizeof(Work))
        ops.work.rank = rank
        ops.work.think_ns = think_ns
        ops.work.deadline_ns = deadline_ns
        ops.work.on_timeout = ON_TIMEOUT.index(on_timeout)

    def set_program(self, int index, instructions):
        """What process `index` does in a litmus program: a list of tuples, as in INSTRUCTIONS.

        Locations are 0 to 15, registers 0 to 7; all begin as 0. Raises ValueError, which names the
        process and the instruction.
        """
        cdef Ops* ops = self.at(index)
        if self.machine.ring.kind:
            raise ValueError("a machine with a ring runs no litmus programs")
        set_instructions(ops, list(instructions))
        if self.machine.region_bytes != LITMUS_BYTES:
            self.make_region(LITMUS_BYTES)
        ops.role = PROGRAM

    def registers(self, int index):
        """The registers of a litmus program's process, all of them."""
        cdef int i
        cdef Ops* ops = self.at(index)
        return tuple([ops.registers[i] for i in range(REGISTERS)])

    def memory(self, int location):
        """The last value, in modification order, of a litmus program's location; stores that are
        still in a buffer are not in it."""
        cdef u32 index
        if not 0 <= location < LITMUS_LOCATIONS or self.machine.region_bytes != LITMUS_BYTES:
            raise IndexError(f"location {location} of {LITMUS_LOCATIONS} of a litmus program")
        index = self.machine.location_of[location * LITMUS_LOCATION_BYTES]
        return self.machine.locations[index].value if index else 0

    def choose_by(self, str scheduler, *, bytes tape=b"", u32 depth=1, u32 expected_choices=0):
        """Who makes the choices of the executions that begin from now on, or of the rest of one:
        "round_robin" then goes on after the process that has the turn.

        `tape` for "replay". `depth`: of "pct" and "delay", at least 1; `expected_choices`: the
        tape length they spread their changes over, as measured (0: nobody has).
        """
        if not 1 <= depth <= DEPTH_MAX:
            raise ValueError(f"a depth of {depth}: 1 to {DEPTH_MAX} is possible")
        self.machine.scheduler = SCHEDULERS.index(scheduler)
        self.machine.depth = depth
        self.machine.actor = 2 * <u32>self.machine.current
        self.machine.expected_choices = expected_choices
        self.replayed = tape
        self.machine.replay = <const u8*><char*>tape
        self.machine.replay_length = <u32>len(tape)

    def allow(self, *, bint early_timers=False, bint spurious_wakes=False,
              bint missed_wakes=False, bint heartbeats=False):
        self.machine.fires_timers = early_timers
        self.machine.wakes_spuriously = spurious_wakes
        self.machine.misses_wakes = missed_wakes
        self.machine.beats = heartbeats

    def limit(self, *, steps=None, patience=None, stops_at_finding=None, traces=None):
        """Change what is named. Steps of an execution, polls before a waiter sleeps, whether a
        finding ends the execution, whether `trace` is kept."""
        cdef Machine* machine = &self.machine
        machine.steps_max = machine.steps_max if steps is None else steps
        machine.patience = machine.patience if patience is None else patience
        if stops_at_finding is not None:
            machine.stops_at_finding = stops_at_finding
        machine.traces = machine.traces if traces is None else <bint>traces

    def begin(self, u64 seed=0):
        """A new execution: nobody is alive, memory is 0. Arm triggers, then `start`."""
        reset(&self.machine, seed)

    def start(self):
        start_all(&self.machine)

    def go(self, i64 until_ns=INT64_MAX):
        """Until the clock comes there or something stops the execution; one of STOPS. Where
        nothing can move by itself any more, "ended" or "stuck" come at once."""
        cdef int stop
        with nogil:
            stop = go_on(&self.machine, until_ns)
        if self.machine.is_out_of_memory:
            raise MemoryError
        return STOPS[stop]

    def pass_time(self, i64 until_ns):
        """Nothing can move; the clock comes there."""
        self.machine.clock_ns = max(self.machine.clock_ns, until_ns)

    def execute_many(self, u64 first_seed, u64 count):
        """Executions without triggers or faults, seeds in a row; those made until one stopped in
        another way than "ended" (that one included), and the steps of all."""
        cdef Machine* machine = &self.machine
        cdef u64 done = 0, steps = 0
        with nogil:
            while done < count:
                reset(machine, first_seed + done)
                start_all(machine)
                go_on(machine, INT64_MAX)
                steps += machine.steps
                done += 1
                if machine.stop != ENDED_ALL or machine.finding != NO_FINDING:
                    break
        if machine.is_out_of_memory:
            raise MemoryError
        return done, steps

    def explore_all(self, *, bint reduce=True, u64 max_executions=UINT64_MAX,
                    max_deviations=None, bint stops_at_first=True, on_execution=None):
        """Every execution, by depth-first search; an Explored.

        `reduce`: one for all that differ only in the order of independent steps. `max_deviations`:
        those with at most so many nonzero choices, fewest first, not reduced. Ends with the first
        that did not end well, unless told not to, or for which `on_execution(self)`, called after
        each, returned true; it is left to look at. Reduced executions have at most 10,000 steps.
        ValueError: too large to reduce.
        """
        return search_all(
            self, reduce, max_executions, max_deviations, stops_at_first, on_execution)

    # What can be done to a process.

    def arm(self, int index, int step, u32 occurrence=1, u32 after=0, str phase="messages"):
        """Hold the process when it comes to the step for that time within one operation, having
        completed `after` of them and come to one of PHASES."""
        cdef Ops* ops = self.at(index)
        ops.armed_phase = PHASES.index(phase)
        ops.armed_site = step
        ops.armed_occurrence = occurrence
        ops.armed_after = after
        ops.seen = 0

    def hold_after(self, int index, u64 completed):
        """Hold it before its next operation once so many are completed."""
        self.at(index).next_stop = completed

    def release(self, int index):
        cdef Ops* ops = self.at(index)
        ops.next_stop = UINT64_MAX
        if ops.state == HELD:
            make_runnable(&self.machine, ops)

    def kill(self, int index):
        self.at(index)
        end_life(&self.machine, index)

    def restart(self, int index):
        """Its next life begins; it is held once it is attached."""
        if self.at(index).state not in (DEAD, DONE):
            raise ValueError(f"process {index} is not dead")
        self.at(index).record_count = 0
        self.at(index).stops_attached = True
        begin_life(&self.machine, index)

    def hold_back(self, int index, bint is_held_back=True):
        """In executions that `begin` from now on it is not started with the others."""
        self.at(index).is_held_back = is_held_back

    def attach(self, int index):
        """The life of one that was held back begins; it is held once it is attached."""
        if self.at(index).state != ABSENT:
            raise ValueError(f"process {index} was started already")
        self.at(index).stops_attached = True
        start_process(&self.machine, index)

    def stop_attached(self, int index):
        """Hold it once it is attached, where a trigger kept it from being so at the start."""
        self.at(index).stops_attached = True

    def pause(self, int index):
        cdef Ops* ops = self.at(index)
        trace(ops, STOPPED, ops.site, 0, 0, 0)
        self.machine.stopped |= <u64>1 << index
        self.machine.runnable &= ~(<u64>1 << index)

    def resume(self, int index):
        cdef Ops* ops = self.at(index)
        trace(ops, CONTINUED, ops.site, 0, 0, 0)
        self.machine.stopped &= ~(<u64>1 << index)
        if ops.state == RUNNABLE:
            self.machine.runnable |= <u64>1 << index

    def slow(self, int index, i64 per_operation_ns):
        self.at(index).slow_ns = per_operation_ns

    def raise_in_read(self, int index):
        self.at(index).raises_next = True
