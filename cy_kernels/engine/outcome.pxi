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
