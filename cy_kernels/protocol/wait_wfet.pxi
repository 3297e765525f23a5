# wfet: like wfe, with a deadline of its own (Arm FEAT_WFxT, since v8.7).

cdef inline int wait_wfet(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 until_ns
    if spins_first(ops, w):
        return AGAIN
    if not w.is_armed:
        arm_exclusive(ops, Step.WAIT__WFET__ARM, w.watched)
        if rechecks(ops, w):
            return AGAIN
    until_ns = begin_span(ops, w)
    w.is_overslept = wfet(ops, Step.WAIT__WFET__WAIT, w.now_ns, until_ns)
    return end_span(ops, w)
