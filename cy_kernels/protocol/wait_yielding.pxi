# yielding: a few paused polls, then sched_yield between polls. Gives the core to whoever can run,
# so more waiters than cores still progress; with nobody else to run it is 100 % of a core and a
# system call (0.4 us) a poll.

cdef enum:
    YIELDING_SPINS = 16

cdef inline int wait_yielding(Ops* ops, Waiter* w) noexcept nogil:
    w.rounds += 1
    if w.rounds <= patience_of(ops, YIELDING_SPINS):
        pause_core(ops, Step.WAIT__YIELDING__PAUSE)
        return AGAIN
    yield_core(ops, Step.WAIT__YIELDING__YIELD)
    return look_at_clock(ops, w)
