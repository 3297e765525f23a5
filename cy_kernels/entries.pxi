# Entering the protocol: straight, or under a guard where a step gate is installed.
#
# Each entry is one function that is handed its ops: NULL straight, else those of the guard, past
# which a gate that raises leaves. Who enters holds the GIL, or has let go of it around the guard.

cdef struct Call:
    void* end  # borrowed: who enters holds it
    Waiter* waiter
    const u8* payload
    u8* to
    u64 owner  # whose place is claimed
    u32 size
    u32 rank
    int reason  # what a poll or a wait ended with; of a claim or an eviction, whether it was made

ctypedef void (*Entry)(void* call, Ops* ops) noexcept nogil


cdef inline void begin_call(Call* call, void* end) noexcept nogil:
    memset(call, 0, sizeof(Call))
    call.end = end


cdef inline bint is_raised_in(Face* face, Entry entry, Call* call) noexcept nogil:
    """True: the gate raised, and gate_raised() says where."""
    cdef Call guarded
    cdef bint is_raised
    if installed_gate() == NULL and mutant_of(&face.ops) == NO_MUTANT:
        entry(call, NULL)
        return False
    guarded = call[0]  # a copy, so that without a gate a call can live in registers
    is_raised = gate_guard(entry, &guarded, face.ops.mutant)
    call[0] = guarded
    face.owes_wake |= is_raised
    return is_raised


cdef inline int enter(Face* face, Entry entry, Call* call) except -1:
    if is_raised_in(face, entry, call):
        raise gate_raised()
    return 0


cdef object gate_raised():
    cdef Gate* gate = installed_gate()
    return GateRaised(f"before {_STEP_NAMES[gate.last_step]}, occurrence {gate.last_occurrence}")


_STEP_NAMES = dict(STEPS)


cdef int wait(Face* face, Entry entry, Call* call) except -1:
    """Wait, with looks at Python's signals in between, and say how it ended."""
    cdef bint is_raised
    while True:
        with nogil:
            is_raised = is_raised_in(face, entry, call)
        if is_raised:
            raise gate_raised()
        if call.reason != INTERRUPTED:
            mark_repeats(False)
            return call.reason
        PyErr_CheckSignals()
        mark_repeats(True)


cdef void poll_slot(void* call, Ops* ops) noexcept nogil:
    (<Call*>call).reason = (<_Writer>(<Call*>call).end).poll(ops)


cdef void await_slot(void* call, Ops* ops) noexcept nogil:
    (<Call*>call).reason = (<_Writer>(<Call*>call).end).await_slot(ops, (<Call*>call).waiter)


cdef void write_slot(void* call, Ops* ops) noexcept nogil:
    (<_Writer>(<Call*>call).end).write(ops, (<Call*>call).payload, (<Call*>call).size)


cdef void end_ring(void* call, Ops* ops) noexcept nogil:
    ring_end(ops, (<_Writer>(<Call*>call).end).face.header,
             (<_Writer>(<Call*>call).end).next_position())


cdef void shut_writer(void* call, Ops* ops) noexcept nogil:
    ring_shutdown(ops, (<_Writer>(<Call*>call).end).face.header)


cdef void detach_writer(void* call, Ops* ops) noexcept nogil:
    (<_Writer>(<Call*>call).end).detach(ops)


cdef void poll_message(void* call, Ops* ops) noexcept nogil:
    (<Call*>call).reason = (<_Reader>(<Call*>call).end).poll(ops)


cdef void await_message(void* call, Ops* ops) noexcept nogil:
    (<Call*>call).reason = (<_Reader>(<Call*>call).end).await_message(ops, (<Call*>call).waiter)


cdef void size_message(void* call, Ops* ops) noexcept nogil:
    (<Call*>call).size = (<_Reader>(<Call*>call).end).message_size(ops)


cdef void read_message(void* call, Ops* ops) noexcept nogil:
    (<_Reader>(<Call*>call).end).read(ops, (<Call*>call).to, (<Call*>call).size)


cdef void release_message(void* call, Ops* ops) noexcept nogil:
    (<_Reader>(<Call*>call).end).release(ops)


cdef void shut_reader(void* call, Ops* ops) noexcept nogil:
    ring_shutdown(ops, (<_Reader>(<Call*>call).end).face.header)


cdef void detach_reader(void* call, Ops* ops) noexcept nogil:
    (<_Reader>(<Call*>call).end).detach(ops)
