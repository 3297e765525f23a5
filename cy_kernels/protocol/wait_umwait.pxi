# umwait: arm a line with UMONITOR and sleep in UMWAIT until it is stored to (Intel WAITPKG, since
# Tremont and Alder Lake). Like mwaitx. The operating system limits each wait (IA32_UMWAIT_CONTROL,
# 100,000 cycles of the TSC by default) and says so in the carry flag.

cdef inline int wait_umwait(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 until_ns
    if spins_first(ops, w):
        return AGAIN
    if not w.is_armed:
        umonitor(ops, Step.WAIT__UMWAIT__ARM, w.watched)
        if rechecks(ops, w):
            return AGAIN
    until_ns = begin_span(ops, w)
    w.is_overslept = umwait(ops, Step.WAIT__UMWAIT__WAIT, w.now_ns, until_ns)
    return end_span(ops, w)
