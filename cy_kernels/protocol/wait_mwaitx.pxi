# mwaitx: arm a line with MONITORX and sleep in MWAITX until it is stored to (AMD, since Excavator
# and Zen). Meant to be nearly as prompt as spinning for less power, with the core left to a sibling
# hyper-thread; no host of ours has it, so neither was measured. To the scheduler it is a core in
# use: for waiters that have one each and wait for less than milliseconds. Where a hypervisor
# intercepts MONITORX each round costs microseconds, and the host hides the feature.

cdef inline int wait_mwaitx(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 until_ns
    if spins_first(ops, w):
        return AGAIN
    if not w.is_armed:
        monitorx(ops, Step.WAIT__MWAITX__ARM, w.watched)
        if rechecks(ops, w):
            return AGAIN
    until_ns = begin_span(ops, w)
    w.is_overslept = mwaitx(ops, Step.WAIT__MWAITX__WAIT, w.now_ns, until_ns)
    return end_span(ops, w)
