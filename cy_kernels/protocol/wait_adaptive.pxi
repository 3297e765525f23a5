# adaptive: wait on the core for as long as that has been worth it, then park. For traffic whose
# pace nobody knows or that changes: prompt while messages come fast, nothing of a core while they
# don't.
#
# What is learnt is the mean T of this end's waits. Parking and being woken costs about B, so a wait
# shorter than B is worth spinning for and a longer one is not. The grace is B * B / T: it covers
# waits around B with room for their scatter, and falls faster than T grows, so that the share of a
# core spent in vain, (B / T) ** 2, vanishes. Below GRACE_MIN_NS (T above 450 us) it is not worth a
# look at the clock: park at once.
#
# Three things would spoil this. A wait that was slept through is measured with its own wake-up, and
# a pace that has become fast would look slow for that alone: B is taken off it. A mean moves
# slowly: every GRACE_PROBE-th wait has at least the grace B. And where waiters outnumber cores,
# spinning delays what is waited for: who offers its core and does not have it back at once has a
# busy machine, and parks.

cdef enum:
    GRACE_B_NS = 30000  # parking, waking and the cold caches behind it; 3 to 50 us here
    GRACE_MIN_NS = 2000
    GRACE_MAX_NS = 100000
    GRACE_PROBE = 16
    GAP_WEIGHT = 8  # a wait moves the mean by one part in so many
    GAP_MAX_NS = 1000000  # longer ones count as this, so that few prompt ones outweigh a long pause
    OFFER_FIRST_NS = 1000
    ADAPTIVE_POLLS = 1000000  # of one grace: its time is over long before


cdef inline i64 grace_of(Habit* habit) noexcept nogil:
    cdef i64 grace_ns
    if habit == NULL or habit.gap_ns == 0:
        return GRACE_B_NS
    grace_ns = min(GRACE_B_NS * <i64>GRACE_B_NS // habit.gap_ns, GRACE_MAX_NS)
    if habit.waits % GRACE_PROBE == 0:
        return max(grace_ns, <i64>GRACE_B_NS)
    return 0 if grace_ns < GRACE_MIN_NS else grace_ns


cdef inline int wait_adaptive(Ops* ops, Waiter* w) noexcept nogil:
    cdef int reason
    if w.is_grace_over or w.grace_rounds >= patience_of(ops, ADAPTIVE_POLLS):
        return wait_park(ops, w)
    w.grace_rounds += 1
    if w.began_ns == 0:
        reason = look_at_clock(ops, w)
        w.began_ns = w.now_ns
        w.offer_ns = w.now_ns + OFFER_FIRST_NS
        w.grace_ns = grace_of(w.habit)
        w.is_grace_over = w.grace_ns == 0
        return reason
    if w.grace == PAUSED_POLLS:
        pause_core(ops, Step.WAIT__ADAPTIVE__PAUSE)
        if w.grace_rounds & 7:
            return AGAIN
        reason = look_and_offer(ops, w)
    else:
        reason = wait_in_hardware(ops, w, w.grace)
    if not w.is_armed and (w.now_ns - w.began_ns >= w.grace_ns or w.is_offer_taken):
        w.is_grace_over = True
        w.rounds = PARK_SPINS
    return reason


cdef inline void learn_gap(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 gap_ns
    if w.began_ns == 0:
        return
    gap_ns = now(ops, Step.WAIT__CLOCK__NOW) - w.began_ns
    if w.is_grace_over:
        gap_ns -= GRACE_B_NS
    gap_ns = min(max(gap_ns, 1), <i64>GAP_MAX_NS)
    w.habit.waits += 1
    if w.habit.gap_ns == 0:
        w.habit.gap_ns = gap_ns
    else:
        w.habit.gap_ns = max(w.habit.gap_ns + (gap_ns - w.habit.gap_ns) // GAP_WEIGHT, 1)
