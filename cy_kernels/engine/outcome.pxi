# What an execution came to, for Python.

cdef class _Outcome:
    cdef Machine machine

    cdef Ops* at(self, int index) except NULL:
        if not 0 <= index < self.machine.processes:
            raise IndexError(f"process {index} of {self.machine.processes}")
        return &self.machine.process[index]

    @property
    def stop(self):
        return STOPS[self.machine.stop]

    @property
    def finding(self):
        """None, or what the oracles found first: its name, process, position."""
        if self.machine.finding == NO_FINDING:
            return None
        return (FINDINGS[self.machine.finding], self.machine.finding_process,
                self.machine.finding_position)

    @property
    def race(self):
        """None, or of a finding "race" the two accesses: process and site of the later one, process
        and site of the other."""
        cdef RaceFound* race = &self.machine.race
        if self.machine.finding != RACE:
            return None
        return race.process, race.site, race.other_process, race.other_site

    @property
    def steps(self):
        return self.machine.steps

    @property
    def rescued(self):
        """Hardware waits that only their timer ended although a store should have; exact where
        nothing else is timed."""
        return sum(
            [self.machine.process[i].habit.rescued for i in range(self.machine.processes)])

    @property
    def clock_ns(self):
        return self.machine.clock_ns

    @property
    def tape(self):
        return PyBytes_FromStringAndSize(<char*>self.machine.tape, self.machine.tape_length)

    @property
    def has_diverged(self):
        return bool(self.machine.has_diverged)

    @property
    def hash(self):
        return execution_hash(&self.machine)

    @property
    def reached(self):
        """The process that is held at a trigger, after a stop "reached"."""
        return self.machine.reached

    # What all executions so far have covered.

    def count_states(self):
        """From now on; it costs time."""
        if self.machine.sketch == NULL:
            self.machine.sketch = <u8*>calloc(SKETCH_REGISTERS, 1)
            if self.machine.sketch == NULL:
                raise MemoryError

    @property
    def sketch(self):
        """Of the states met, as bytes; the maximum of two is that of both together."""
        if self.machine.sketch == NULL:
            return b""
        return PyBytes_FromStringAndSize(<char*>self.machine.sketch, SKETCH_REGISTERS)

    @property
    def reads_from(self):
        """Pairs (site that read, site that had written) that have occurred; 0 is nobody."""
        cdef int reader, writer
        return {(reader, writer) for reader in range(SITES_MAX) for writer in range(SITES_MAX)
                if self.machine.pairs[reader * SITES_MAX + writer]}

    @property
    def visited(self):
        """The sites that a process has come to."""
        cdef int site
        return {site for site in range(SITES_MAX) if self.machine.visited[site]}

    @property
    def outcomes(self):
        """(process, function, outcome) of the ends of operations that have occurred, as numbers of
        the flight recorder; outcome 0 is an end without one."""
        cdef int index, bit
        return {(index, bit // OUTCOMES_MAX, bit % OUTCOMES_MAX)
                for index in range(self.machine.processes) for bit in range(2 * OUTCOMES_MAX)
                if self.machine.process[index].outcomes >> bit & 1}

    def state(self, int index):
        return STATES[self.at(index).state]

    def site(self, int index):
        return self.at(index).site

    def done(self, int index):
        """Operations completed, over all incarnations."""
        return self.at(index).done

    def condition(self, int index):
        """What the machine knows of the process and its current life, by name."""
        return condition_of(self.at(index))

    def records(self, int index):
        """The flight recorder's lines of this process's current life, as bytes."""
        cdef Ops* ops = self.at(index)
        return PyBytes_FromStringAndSize(
            <char*>ops.records, ops.record_count * sizeof(RecordLine))

    def trace(self):
        """(event, process, site, offset, value, order, tape length, age) of each thing that
        happened. Age: with RA, so many messages are newer than the one that a load read."""
        cdef Trace* line
        cdef u32 i
        out = []
        for i in range(self.machine.trace_count):
            line = &self.machine.trace[i]
            out.append((EVENTS[line.kind], line.process, line.site, line.offset, line.value,
                        line.order, line.choice, line.age))
        return out

    # Why nothing moves, and what would let somebody go on.

    def evidence(self):
        """What each process is at, as plain dictionaries, in order of processes.

        `position`: of a ring's message (the writer's: messages sent), or in its program.
        `progress`: messages, or the place in its program, where a loop of "jump" is one place.
        `watches`: (offset, value now, last writer or None) of what it looks at to go on.
        `futex`: what a sleeper sleeps on. `retries`: it looks again before it believes a wake-up.
        `buffered`: stores (offset, value) that nobody else sees yet. `stores_ahead`: offsets that
        the rest of a program stores to or wakes.
        """
        cdef int index
        return [evidence_of(&self.machine.process[index])
                for index in range(self.machine.processes)]

    def values(self):
        """What memory holds: value by offset, without what is still in a buffer."""
        cdef u32 i
        return {self.machine.locations[i].offset: self.machine.locations[i].value
                for i in range(1, self.machine.location_count)}

    def state_of_programs(self):
        """Memory, registers, positions and buffers of litmus programs as one number; two moments
        with the same one go on alike. None where that cannot be told: rings, RA, within `put2`,
        `get2`."""
        return state_of_programs(&self.machine) or None

    def wake(self, int index):
        """A spurious wake-up: a sleeper's FUTEX_WAIT returns. ValueError: it does not sleep."""
        cdef Ops* ops = self.at(index)
        if ops.state != PARKED:
            raise ValueError(f"process {index} does not sleep in futex_wait")
        ops.woken_by = SLEPT
        make_runnable(&self.machine, ops)

    def revive(self, int index):
        """Undo a death: the life goes on where it ended. ValueError: it is not dead."""
        cdef Ops* ops = self.at(index)
        if ops.state != DEAD:
            raise ValueError(f"process {index} is not dead")
        ops.woken_by = SLEPT
        make_runnable(&self.machine, ops)
