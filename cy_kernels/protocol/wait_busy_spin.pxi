# busy_spin: poll as fast as the core can. The lowest latency where every waiter has a core of its
# own, and 100 % of that core. Where waiters outnumber cores it is what holds up the one they wait
# for, for HOLD_NS at a time.

cdef inline int wait_busy_spin(Ops* ops, Waiter* w) noexcept nogil:
    w.rounds += 1
    if w.rounds & 63:
        return AGAIN
    return look_and_offer(ops, w)
