# Choices. Everything that is not determined by the program is chosen here, and written on the tape.
#
# Option 0 is what a plain machine would do: the process that has the turn goes on, then the next
# one in order, stores stay in their buffer until something empties it, loads read the newest value.
# So a tape of zeros is the default schedule, and what differs from it are its deviations. A choice
# with one option is none, and leaves no trace on the tape.

cdef extern from *:
    """
    #define sb_lowest_bit(x) __builtin_ctzll(x)
    #define sb_count_bits(x) __builtin_popcountll(x)
    static inline uint64_t sb_rotate_right(uint64_t x, int n) {
        return (x >> (n & 63)) | (x << (-n & 63));
    }
    /* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
    static inline uint64_t sb_next_random(uint64_t *state) {
        uint64_t x = *state;
        x ^= x >> 12; x ^= x << 25; x ^= x >> 27;
        *state = x;
        return x * 0x2545F4914F6CDD1Du;
    }
    """
    int lowest_bit "sb_lowest_bit"(u64 x) noexcept nogil
    int count_bits "sb_count_bits"(u64 x) noexcept nogil
    u64 rotate_right "sb_rotate_right"(u64 x, int n) noexcept nogil
    u64 next_random "sb_next_random"(u64* state) noexcept nogil


cdef inline u32 random_below(Machine* machine, u32 count) noexcept nogil:
    return <u32>(((next_random(&machine.rng) >> 32) * count) >> 32)


cdef inline int nth_bit(u64 mask, u32 n) noexcept nogil:
    while n:
        mask &= mask - 1
        n -= 1
    return lowest_bit(mask)


cdef bint grow_tape(Machine* machine) noexcept nogil:
    cdef u8* grown = <u8*>realloc(machine.tape, 2 * <size_t>machine.tape_room)
    if grown == NULL:
        machine.is_out_of_memory = True
        return False
    machine.tape = grown
    machine.tape_room *= 2
    return True


cdef inline void write_down(Machine* machine, u32 option) noexcept nogil:
    if machine.tape_length == machine.tape_room and not grow_tape(machine):
        machine.stop = OUT_OF_STEPS
        return
    machine.tape[machine.tape_length] = <u8>option
    machine.tape_length += 1


# What the replayed tape says; past its end the default.
cdef inline u32 replayed(Machine* machine, u32 count) noexcept nogil:
    cdef u32 option = 0
    if machine.tape_length < machine.replay_length:
        option = machine.replay[machine.tape_length]
        if option >= count:
            machine.has_diverged = True
            option = 0
    return option
