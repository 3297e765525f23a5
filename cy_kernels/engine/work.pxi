# What simulated processes are to do: plain numbers, filled in by the driver.

cdef enum Role:
    NOBODY = 0
    RING_WRITER
    RING_READER
    PROGRAM  # a list of instructions: litmus.pxi

cdef enum OnTimeout:
    RETRY = 0
    DROP
    GIVE_UP

cdef enum RingKind:
    FLAG_RING = 1
    CURSOR_RING = 2

cdef enum:
    REGISTERS = 8

cdef enum InstructionKind:  # in the order of litmus.pxi's INSTRUCTIONS
    DO_STORE = 0
    DO_LOAD
    DO_FENCE
    DO_ADD
    DO_CAS
    DO_PUT
    DO_GET
    DO_PUT2
    DO_GET2
    DO_FUTEX_WAIT
    DO_FUTEX_WAKE
    DO_UNTIL
    DO_SKIP_UNLESS
    DO_NAP
    DO_ASSERT
    DO_JUMP
    DO_MONITOR
    DO_MWAIT

cdef struct Instruction:
    u64 value  # stored, added, expected, waited for
    u64 desired
    u32 count  # instructions to skip, or to go back
    u8 kind
    u8 order
    u8 location
    u8 register_1
    u8 register_2

cdef struct Work:
    u64 messages  # writer
    i64 interval_ns  # writer: between the starts of two sends
    i64 think_ns  # reader
    i64 deadline_ns  # of an operation, relative; -1: none
    int on_timeout
    bint shuts_down  # writer: instead of ending the ring
    bint evicts
    u32 rank

cdef struct RingWork:
    int kind
    u64 slots
    u64 slot_bytes
    u32 readers
    bint is_fenced
    u32* sizes  # of each message, `size_count` of them; a single one stands for all
    u64 size_count
    u64 payload_seed
    u64 sent  # messages committed so far
