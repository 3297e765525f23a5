# What the strategies that wait on a monitored line have in common: arm, recheck, wait.
#
#   1 arm      from now on the hardware notices a store to the line of `watched`
#   2 recheck  the ring polls once more: a store before 1 is seen here
#   3 wait     until a store since 1, or the timer
#
# Without 2, a store between the last poll and 1 goes unnoticed. Hardware promises little beyond
# that: a wait may end for no reason (an interrupt, another word of the line), a context switch
# between 1 and 3 may lose the store, and a hypervisor may intercept the arming. So the timer is
# always set, a wait ends after HOLD_NS at the latest, and then the core is offered to others: the
# scheduler takes who waits here for running.
#
# A wait that only its timer ended although its condition had come to hold is counted (rescued): a
# timer must not hide wakes that are lost.
#
#   mutant              what is wrong                     shown by
#   no-monitor-recheck  no 2                              waits that were rescued
#   no-monitor-timer    3 without a timer                 a hang, where hardware misses a wake
#
# `watched` is one word, so it never straddles lines. Its store is the last one before the
# condition holds. An end or shutdown of the ring stores elsewhere, and is seen after HOLD_NS.

cdef enum:
    MONITOR_SPINS = 20  # paused polls first: arming and waiting costs more than a prompt answer


cdef inline bint spins_first(Ops* ops, Waiter* w) noexcept nogil:
    if w.rounds >= patience_of(ops, MONITOR_SPINS):
        return False
    w.rounds += 1
    pause_core(ops, Step.WAIT__MONITOR__PAUSE)
    return True


# Just armed: is the next thing a poll? Always, but for a mutant.
cdef inline bint rechecks(Ops* ops, Waiter* w) noexcept nogil:
    w.is_armed = mutant_of(ops) != NO_MONITOR_RECHECK
    return w.is_armed


# When the wait that begins now ends at the latest.
cdef inline i64 begin_span(Ops* ops, Waiter* w) noexcept nogil:
    w.is_armed = False
    w.now_ns = now(ops, Step.WAIT__CLOCK__NOW)
    if mutant_of(ops) == NO_MONITOR_TIMER:
        return INT64_MAX
    return w.deadline_ns if w.deadline_ns - w.now_ns < HOLD_NS else w.now_ns + HOLD_NS


# The core was held: offer it at this look.
cdef inline int end_span(Ops* ops, Waiter* w) noexcept nogil:
    w.offer_ns = 1
    return look_and_offer(ops, w)
