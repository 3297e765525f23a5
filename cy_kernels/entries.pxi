# Entering the protocol: straight, or under a guard where a step gate is installed.
#
# What a message needs when nothing holds it up (poll, write, read, release) each end has as methods
# of their own, compiled with the constant NULL for their ops: no gate is left in there. Who calls
# one looks before whether that may be (goes_straight). Everything else, and the same under a guard,
# is one call of `act`: a gate that raises leaves it past the guard. Who enters holds the GIL, or
# has let go of it around the guard.

cdef enum Entry:
    ENTER_POLL  # a reader's poll or wait that ends with READY tells the message's size, too
    ENTER_AWAIT
    ENTER_WRITE
    ENTER_COMMIT  # of what was written in place
    ENTER_READ
    ENTER_RELEASE
    ENTER_CLAIM
    ENTER_EVICT
    ENTER_END
    ENTER_SHUTDOWN
    ENTER_DETACH

cdef struct Call:
    Entry entry
    int reason  # what a poll or a wait ended with; of a claim or an eviction, whether it was made
    Waiter* waiter
    const u8* payload
    u8* to
    u64 owner  # whose place is claimed
    u32 size
    u32 rank


cdef class _End:
    """One open side of a ring."""

    kernels = "compiled"

    cdef Face face
    cdef readonly str wait

    def __dealloc__(self):
        face_close(&self.face)

    @property
    def rescued(self):
        return self.face.habit.rescued

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        pass


cdef extern from *:
    """
    #define sb_goes_straight(face) \\
        __builtin_expect(sb_installed_gate() == NULL && mutant_of(&(face)->ops) == 0, 1)
    """
    bint goes_straight "sb_goes_straight"(Face* face) noexcept nogil


cdef inline Call call_of(Entry entry) noexcept nogil:
    cdef Call call
    memset(&call, 0, sizeof(Call))
    call.entry = entry
    return call


# How long an operation may wait, in one number: until an absolute time; for ever, which is -1; or
# -2 - n: n ns from when it first has to wait, so that who need not wait need not look at a clock.
cdef enum:
    FOR_EVER = -1


cdef inline i64 at_most(i64 deadline_ns) noexcept nogil:
    return deadline_ns if deadline_ns >= 0 else FOR_EVER


cdef inline i64 limit_of(object timeout_s) except? -1:
    return FOR_EVER if timeout_s is None else limit_in(timeout_s)


cdef i64 limit_in(double timeout_s) except? -1:
    if not timeout_s >= 0:
        raise ValueError(f"timeout_s must be 0 or more seconds, not {timeout_s}")
    if timeout_s > TIMEOUT_MAX_S:
        return FOR_EVER
    return -2 - <i64>(timeout_s * 1e9)


cdef extern from *:
    """
    #define SB_TIMEOUT_MAX_S 4e9  /* 126 years; in ns, and added to a clock, it fits 63 bits */
    """
    const double TIMEOUT_MAX_S "SB_TIMEOUT_MAX_S"


cdef inline i64 deadline_of(i64 limit_ns) noexcept nogil:
    return limit_ns if limit_ns >= FOR_EVER else clock_ns() - 2 - limit_ns


cdef void act_in_guard(void* end, Ops* ops, void* call) noexcept nogil:
    (<_End>end).act(ops, <Call*>call)


cdef bint is_raised_in(_End end, Call* call) noexcept nogil:
    """True: the gate raised, and gate_raised() says where."""
    cdef bint is_raised
    if goes_straight(&end.face):
        end.act(NULL, call)
        return False
    is_raised = gate_guard(act_in_guard, <void*>end, call, end.face.ops.mutant)
    end.face.owes_wake |= is_raised
    return is_raised


cdef int enter(_End end, Call* call) except -1:
    if is_raised_in(end, call):
        raise gate_raised()
    return 0


cdef int enter_as_message(_End end, Entry entry) except -1:
    """Enter for something that counts the occurrences of its steps by itself."""
    cdef Call call = call_of(entry)
    begin_message()
    return enter(end, &call)


cdef object gate_raised():
    cdef Gate* gate = installed_gate()
    return GateRaised(f"before {_STEP_NAMES[gate.last_step]}, occurrence {gate.last_occurrence}")


_STEP_NAMES = dict(STEPS)


cdef int wait(_End end, Call* call) except -1:
    """Wait, with looks at Python's signals in between, and say how it ended."""
    cdef bint is_raised
    while True:
        with nogil:
            is_raised = is_raised_in(end, call)
        if is_raised:
            raise gate_raised()
        if call.reason != INTERRUPTED:
            mark_repeats(False)
            return call.reason
        PyErr_CheckSignals()
        mark_repeats(True)
