# distutils: define_macros=SPINBED_NO_GATE=1
"""Litmus programs on real threads: many instances in a row, met at a barrier, as litmus7 does.

The ops are those of the compiled rings, ops_real.pxi. An order must reach the compiler as a
constant, so each instruction and order is a case of its own. There is no "cas": the ops tell
whether it came to something, not what it saw.
"""

from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

include "ops_real.pxi"

cdef enum:
    STORE_RELAXED, STORE_RELEASE, LOAD_RELAXED, LOAD_ACQUIRE
    FENCE_ACQUIRE, FENCE_RELEASE, FENCE_ACQ_REL, FENCE_SEQ_CST
    ADD, PUT, GET, PUT2, GET2, FUTEX_WAIT, FUTEX_WAKE, UNTIL_RELAXED, UNTIL_ACQUIRE
    SKIP_UNLESS

cdef enum:
    THREADS = 4
    LOCATIONS = 4
    REGISTERS = 4
    LINE_BYTES = 64
    INSTRUCTIONS = 16
    OUTCOMES = 256
    SPINS_TO_YIELD = 2000
    SPINS_TO_CLOCK = 1 << 16
    INSTANCES = 2048  # 0.5 MiB of locations: more than a core's first cache, so stores take long

KINDS = {
    ("store", "relaxed"): STORE_RELAXED,
    ("store", "release"): STORE_RELEASE,
    ("load", "relaxed"): LOAD_RELAXED,
    ("load", "acquire"): LOAD_ACQUIRE,
    ("fence", "acquire"): FENCE_ACQUIRE,
    ("fence", "release"): FENCE_RELEASE,
    ("fence", "acq_rel"): FENCE_ACQ_REL,
    ("fence", "seq_cst"): FENCE_SEQ_CST,
    ("until", "relaxed"): UNTIL_RELAXED,
    ("until", "acquire"): UNTIL_ACQUIRE,
    "add": ADD,
    "put": PUT,
    "get": GET,
    "put2": PUT2,
    "get2": GET2,
    "futex_wait": FUTEX_WAIT,
    "futex_wake": FUTEX_WAKE,
    "skip_unless": SKIP_UNLESS,
}

cdef struct Instruction:
    int kind
    int location
    int register_1
    int register_2
    int count
    u64 value

cdef struct Instance:
    u8 memory[LOCATIONS * LINE_BYTES]

cdef struct Outcome:
    u64 registers[THREADS * REGISTERS]
    u64 memory[LOCATIONS]

cdef extern from *:
    """
    typedef struct { char before[64]; uint64_t value; char after[64]; } litmus_word;
    #define litmus_look(word) __atomic_load_n(&(word)->value, __ATOMIC_SEQ_CST)
    #define litmus_write(word, v) __atomic_store_n(&(word)->value, (v), __ATOMIC_SEQ_CST)
    #define litmus_count_up(word) __atomic_add_fetch(&(word)->value, 1, __ATOMIC_SEQ_CST)
    """
    ctypedef struct Word "litmus_word":  # alone on its line
        pass
    u64 look "litmus_look"(Word* word) noexcept nogil
    void write "litmus_write"(Word* word, u64 value) noexcept nogil
    u64 count_up "litmus_count_up"(Word* word) noexcept nogil
    enum:
        ACQ_REL "__ATOMIC_ACQ_REL"


cdef class Litmus:
    """One program, run at least `runs` times by one call of `run` in each of its threads.

    `meets_each`: the threads meet before every instance, for which each needs a core; else only
    before every row of instances. Values, registers and locations are 0 to 3 or small numbers.
    """

    cdef Instruction programs[THREADS][INSTRUCTIONS]
    cdef int lengths[THREADS]
    cdef int threads
    cdef bint meets_each
    cdef Instance* instances
    cdef Outcome* results
    cdef Outcome outcomes[OUTCOMES]
    cdef u64 counts[OUTCOMES]
    cdef int outcome_count
    cdef Word arrived, met, is_over
    cdef u64 runs, finished
    cdef i64 deadline_ns

    def __cinit__(self, threads, *, u64 runs, i64 deadline_ns, bint meets_each):
        cdef int index, place
        if not 1 <= len(threads) <= THREADS or max(map(len, threads)) > INSTRUCTIONS:
            raise ValueError(f"1 to {THREADS} threads of at most {INSTRUCTIONS} instructions")
        self.threads = len(threads)
        self.runs = runs
        self.deadline_ns = deadline_ns
        self.meets_each = meets_each
        for index, thread in enumerate(threads):
            self.lengths[index] = len(thread)
            for place, instruction in enumerate(thread):
                decode(&self.programs[index][place], instruction)
        self.instances = <Instance*>calloc(INSTANCES + 1, sizeof(Instance))
        self.results = <Outcome*>calloc(INSTANCES, sizeof(Outcome))
        if self.instances == NULL or self.results == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.instances)
        free(self.results)

    def run(self, int index):
        """The work of thread `index`; to be called from as many threads as the program has."""
        with nogil:
            self.run_rows(index)

    @property
    def done(self):
        """Instances run; fewer than asked for if the deadline came first."""
        return self.finished

    def counted(self):
        """How often each outcome came: {(registers of each thread, memory): count}."""
        cdef Outcome* each
        cdef int i, j, k
        out = {}
        for i in range(self.outcome_count):
            each = &self.outcomes[i]
            registers = tuple([
                tuple([each.registers[j * REGISTERS + k] for k in range(REGISTERS)])
                for j in range(self.threads)
            ])
            out[registers, tuple([each.memory[j] for j in range(LOCATIONS)])] = self.counts[i]
        return out

    cdef void run_rows(self, int index) noexcept nogil:
        cdef int i
        cdef Instance* first = <Instance*>((<size_t>self.instances + LINE_BYTES - 1)
                                           & ~<size_t>(LINE_BYTES - 1))
        while True:
            self.meet()
            if look(&self.is_over):
                return
            for i in range(INSTANCES):
                if self.meets_each:
                    self.meet()
                self.run_program(index, first[i].memory, &self.results[i])
            self.meet()
            if index == 0:
                self.collect(first)

    # Nobody leaves before all have come, or the run is over.
    cdef void meet(self) noexcept nogil:
        cdef u64 met = look(&self.met)
        cdef u32 spins = 0
        if count_up(&self.arrived) == <u64>self.threads:
            write(&self.arrived, 0)
            write(&self.met, met + 1)
            return
        while look(&self.met) == met and self.may_spin(&spins):
            pass

    # False once the run is over; a spin that lasts lets others onto the core.
    cdef bint may_spin(self, u32* spins) noexcept nogil:
        spins[0] += 1
        if spins[0] % SPINS_TO_YIELD:
            pause_core(NULL, 0)
        else:
            yield_core(NULL, 0)
        if spins[0] % SPINS_TO_CLOCK == 0 and now(NULL, 0) > self.deadline_ns:
            write(&self.is_over, 1)
        return not look(&self.is_over)

    cdef void collect(self, Instance* first) noexcept nogil:
        cdef int i, j
        for i in range(INSTANCES):
            if look(&self.is_over):
                return
            for j in range(LOCATIONS):
                self.results[i].memory[j] = (<u64*>&first[i].memory[j * LINE_BYTES])[0]
            self.count(&self.results[i])
        memset(first, 0, INSTANCES * sizeof(Instance))
        memset(self.results, 0, INSTANCES * sizeof(Outcome))
        self.finished += INSTANCES
        if self.finished >= self.runs or now(NULL, 0) > self.deadline_ns:
            write(&self.is_over, 1)

    cdef void count(self, Outcome* outcome) noexcept nogil:
        cdef int i
        for i in range(self.outcome_count):
            if memcmp(&self.outcomes[i], outcome, sizeof(Outcome)) == 0:
                self.counts[i] += 1
                return
        if self.outcome_count < OUTCOMES:
            self.outcomes[self.outcome_count] = outcome[0]
            self.counts[self.outcome_count] = 1
            self.outcome_count += 1

    cdef void run_program(self, int index, u8* memory, Outcome* result) noexcept nogil:
        cdef int at = 0
        cdef u32 spins = 0
        cdef Instruction* it
        cdef u64* word
        cdef u64* registers = &result.registers[index * REGISTERS]
        cdef u64 pair[2]
        while at < self.lengths[index]:
            it = &self.programs[index][at]
            word = <u64*>&memory[it.location * LINE_BYTES]
            at += 1
            if it.kind == STORE_RELAXED:
                store64(NULL, 0, word, it.value, RELAXED)
            elif it.kind == STORE_RELEASE:
                store64(NULL, 0, word, it.value, RELEASE)
            elif it.kind == LOAD_RELAXED:
                registers[it.register_1] = load64(NULL, 0, word, RELAXED)
            elif it.kind == LOAD_ACQUIRE:
                registers[it.register_1] = load64(NULL, 0, word, ACQUIRE)
            elif it.kind == FENCE_ACQUIRE:
                fence(NULL, 0, ACQUIRE)
            elif it.kind == FENCE_RELEASE:
                fence(NULL, 0, RELEASE)
            elif it.kind == FENCE_ACQ_REL:
                fence(NULL, 0, ACQ_REL)
            elif it.kind == FENCE_SEQ_CST:
                fence(NULL, 0, SEQ_CST)
            elif it.kind == ADD:
                registers[it.register_1] = add64(NULL, 0, word, it.value)
            elif it.kind == PUT or it.kind == PUT2:
                pair[0] = pair[1] = it.value
                copy(NULL, 0, word, pair, 16 if it.kind == PUT2 else 8)
            elif it.kind == GET:
                copy(NULL, 0, &registers[it.register_1], word, 8)
            elif it.kind == GET2:
                copy(NULL, 0, pair, word, 16)
                registers[it.register_1] = pair[0]
                registers[it.register_2] = pair[1]
            elif it.kind == FUTEX_WAIT:
                registers[it.register_1] = <u64>futex_wait(
                    NULL, 0, <u32*>word, <u32>it.value, self.deadline_ns)
            elif it.kind == FUTEX_WAKE:
                futex_wake(NULL, 0, <u32*>word)
            elif it.kind == UNTIL_RELAXED:
                while load64(NULL, 0, word, RELAXED) != it.value and self.may_spin(&spins):
                    pass
            elif it.kind == UNTIL_ACQUIRE:
                while load64(NULL, 0, word, ACQUIRE) != it.value and self.may_spin(&spins):
                    pass
            elif it.kind == SKIP_UNLESS and registers[it.register_1] != it.value:
                at += it.count


cdef int decode(Instruction* it, instruction) except -1:
    name = instruction[0]
    rest = instruction[1:]
    if name in ("store", "load", "fence", "until"):
        it.kind = KINDS[name, rest[-1]]
        rest = rest[:-1]
    else:
        it.kind = KINDS[name]
    if name in ("store", "until", "put", "put2"):
        it.location, it.value = rest
    elif name in ("load", "get"):
        it.register_1, it.location = rest
    elif name == "get2":
        it.register_1, it.register_2, it.location = rest
    elif name in ("add", "futex_wait"):
        it.register_1, it.location, it.value = rest[:3]
    elif name == "futex_wake":
        it.location = rest[0]
    elif name == "skip_unless":
        it.register_1, it.value, it.count = rest
    if it.location >= LOCATIONS or max(it.register_1, it.register_2) >= REGISTERS:
        raise ValueError(f"{instruction}: {LOCATIONS} locations and {REGISTERS} registers")
    return 0
