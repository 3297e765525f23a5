# park: a short spin, a few yields, then sleep in the kernel on the ring's event word. Costs nothing
# while idle; a wake-up is 3 to 50 us. The waker makes no system call while nobody is parked.
#
# The danger is the lost wake-up: the waker looks for a parked waiter just before it parks, the
# waiter looks for the change just before it comes. What excludes it:
#
#   waiter                                   waker
#   1 seen := event            (acquire)     1 publish the change
#   2 parked := 1                            2 full fence
#   3 full fence                             3 if parked:
#   4 poll again (the ring does this)        4     parked := 0
#   5 FUTEX_WAIT(event, seen)                5     event += 1   (seq_cst)
#                                            6     FUTEX_WAKE(event)
#
# Store-load order (2-3-4 against 1-2-3) is Dekker's: at least one side sees the other's store. If
# the waker sees `parked`, event moves after `seen` was loaded, and FUTEX_WAIT either refuses to
# sleep or is woken. Loading `event` *after* raising `parked` would let a waker slip in between:
# parked is cleared, seen is already the new value, and nobody comes. A waker that clears a flag
# raised anew by somebody else always bumps the event afterwards, so that waiter is not lost either:
# whoever loads the bumped value raises its flag after the clear (4 happens before 5).
# A waiter that dies parked leaves parked = 1: it costs the next waker one system call.
# There is no safety time-out: it would hide a lost wake-up instead of excluding it.

cdef enum:
    PARK_SPINS = 20
    PARK_YIELDS = 8

cdef inline int wait_park(Ops* ops, Waiter* w) noexcept nogil:
    cdef int slept
    if w.rounds < patience_of(ops, PARK_SPINS):
        w.rounds += 1
        pause_core(ops, Step.WAIT__PARK__PAUSE)
        return AGAIN
    if w.rounds < patience_of(ops, PARK_SPINS) + patience_of(ops, PARK_YIELDS):
        w.rounds += 1
        yield_core(ops, Step.WAIT__PARK__YIELD)
        return look_at_clock(ops, w)
    if w.signal_check_ns != SIGNALS_CHECKED:
        # A signal that came while we spun would not end the sleep: let Python see it first. One
        # that comes in the microsecond before the system call waits for the next wake-up, as it
        # does in CPython's own locks.
        w.signal_check_ns = SIGNALS_CHECKED
        return INTERRUPTED
    if not w.is_armed:
        w.is_armed = True
        if mutant_of(ops) >= EVENT_AFTER_PARKED:
            arm_mutant(ops, w)
        else:
            w.seen = load32(ops, Step.WAIT__PARK__LOAD_EVENT, w.event, ACQUIRE)
            store32(ops, Step.WAIT__PARK__RAISE_PARKED, w.parked, 1, RELAXED)
            fence(ops, Step.WAIT__PARK__FENCE, SEQ_CST)
        if mutant_of(ops) != NO_RECHECK:
            return AGAIN
    w.is_armed = False
    slept = futex_wait(ops, Step.WAIT__PARK__FUTEX_WAIT, w.event, w.seen, w.deadline_ns)
    if slept == SLEPT_TO_SIGNAL:
        return INTERRUPTED
    return look_at_clock(ops, w)
