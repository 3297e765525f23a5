# wfe: mark a granule with a load-exclusive and sleep in WFE until another core stores to it (Arm).
# Takes no deadline: what bounds it is the kernel's event stream, an event every 100 us, and where
# there is none this rung does not exist. Its waits may be longer than HOLD_NS by that much.

cdef inline int wait_wfe(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 until_ns
    if spins_first(ops, w):
        return AGAIN
    if not w.is_armed:
        arm_exclusive(ops, Step.WAIT__WFE__ARM, w.watched)
        if rechecks(ops, w):
            return AGAIN
    until_ns = begin_span(ops, w)
    w.is_overslept = wfe(ops, Step.WAIT__WFE__WAIT, w.now_ns, until_ns)
    return end_span(ops, w)
