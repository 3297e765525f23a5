# pause: poll with the CPU's spin-wait hint between polls (x86 PAUSE, Arm YIELD). A few ns more
# latency than busy_spin, less heat, and a sibling hyper-thread runs better; still 100 % of a core.

cdef inline int wait_pause(Ops* ops, Waiter* w) noexcept nogil:
    pause_core(ops, Step.WAIT__PAUSE__PAUSE)
    w.rounds += 1
    if w.rounds & 15:
        return AGAIN
    return look_and_offer(ops, w)
