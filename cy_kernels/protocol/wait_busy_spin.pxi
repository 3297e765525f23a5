# busy_spin: poll as fast as the core can. The lowest latency where every waiter has a core of its
# own, and 100 % of that core; never choose it where waiters may outnumber cores.

cdef inline int wait_busy_spin(Ops* ops, Waiter* w) noexcept nogil:
    w.rounds += 1
    if w.rounds & 63:
        return AGAIN
    return look_at_clock(ops, w)
