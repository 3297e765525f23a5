# What all executions of a machine have covered so far: which site read from which, and about how
# many distinct states they went through. A state is what memory holds, where each process is and
# how many stores its buffer has; many a time the same one is met again, so what is kept of them is
# a HyperLogLog sketch (Flajolet, Fusy, Gandouet, Meunier 2007) that two machines can merge.

cdef enum:
    SKETCH_BITS = 14
    SKETCH_REGISTERS = 1 << SKETCH_BITS  # standard error 1.04 / sqrt(registers): 0.8 %


cdef inline u64 value_hash(u32 offset, u64 value) noexcept nogil:
    return mixed(mixed(value + <u64>0x9E3779B97F4A7C15) + offset)


# A word of memory changes from one value to another.
cdef inline void note_change(Machine* machine, u32 offset, u64 old, u64 new) noexcept nogil:
    if machine.sketch != NULL:
        machine.memory_hash ^= value_hash(offset, old) ^ value_hash(offset, new)


cdef void note_state(Machine* machine) noexcept nogil:
    cdef u64 hash = machine.memory_hash
    cdef Ops* ops
    cdef int index
    cdef u8 rank
    for index in range(machine.processes):
        ops = &machine.process[index]
        hash += mixed(
            <u64>(index + 1) << 48 | <u64>ops.buffered << 32 | <u64>ops.state << 16
            | <u64>ops.site)
    hash = mixed(hash)
    rank = <u8>(1 + lowest_bit(hash >> SKETCH_BITS | <u64>1 << (64 - SKETCH_BITS)))
    if rank > machine.sketch[hash & (SKETCH_REGISTERS - 1)]:
        machine.sketch[hash & (SKETCH_REGISTERS - 1)] = rank
