# tpause: poll with short timed sleeps of the core between polls (Intel WAITPKG). Watches nothing,
# so it works where the condition is spread over many lines; a message waits for up to a sleep, 1 us
# at first and HOLD_NS after a while. Better than pause for the power it takes, worse in latency.

cdef enum:
    TPAUSE_SPINS = 20
    TPAUSE_MIN_NS = 1000


cdef inline int wait_tpause(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 until_ns
    if w.rounds < patience_of(ops, TPAUSE_SPINS):
        w.rounds += 1
        pause_core(ops, Step.WAIT__TPAUSE__PAUSE)
        return AGAIN
    w.nap_ns = min(max(w.nap_ns + w.nap_ns // 8, TPAUSE_MIN_NS), HOLD_NS)
    w.now_ns = now(ops, Step.WAIT__CLOCK__NOW)
    until_ns = w.deadline_ns if w.deadline_ns - w.now_ns < w.nap_ns else w.now_ns + w.nap_ns
    if until_ns > w.now_ns:
        tpause(ops, Step.WAIT__TPAUSE__WAIT, w.now_ns, until_ns)
    return look_and_offer(ops, w)
