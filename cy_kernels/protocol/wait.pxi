# How a waiter spends the time until its ring's condition holds: one round at a time.
#
# The ring polls its own condition (which is seldom one word) and calls wait_round between polls:
#
#     while the poll says NOT_READY:  reason = wait_round(...);  stop unless reason is AGAIN
#
# A round spins, yields, arms (then the poll that follows is the recheck) or sleeps. Strategies
# are inline functions behind one switch: no virtual call between ring and wait.
#
# The round that finds the deadline passed is followed by one more poll, and only the next one says
# TIMED_OUT: what a peer did that died, or was slow, before its wake-up has been seen by then.

cdef struct Waiter:
    int strategy
    bint is_armed
    bint is_late  # the deadline has passed: the poll that follows is the last
    u32 seen  # the event word when the waiter armed
    u32 rounds
    u32* event  # futex word that the other side bumps
    u32* parked  # flag that tells the other side to do so
    u64* heartbeat_ns  # the waiter's own word for evidence, or NULL
    i64 deadline_ns  # absolute; INT64_MAX = none
    i64 signal_check_ns
    i64 nap_ns

cdef enum:
    BUSY_SPIN = 0
    PAUSE = 1
    YIELDING = 2
    PARK = 3
    BACKOFF = 4

STRATEGIES = ("busy_spin", "pause", "yielding", "park", "backoff")


cdef inline int look_at_clock(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 now_ns = now(ops, Step.WAIT__CLOCK__NOW)
    if w.heartbeat_ns != NULL:
        store64(ops, Step.WAIT__CLOCK__STORE_HEARTBEAT, w.heartbeat_ns, <u64>now_ns, RELAXED)
    if now_ns >= w.deadline_ns:
        w.is_late = True
        return AGAIN
    if w.signal_check_ns == SIGNALS_CHECKED:
        return AGAIN
    if w.signal_check_ns == 0:
        w.signal_check_ns = now_ns + SIGNAL_CHECK_NS
    elif now_ns >= w.signal_check_ns:
        w.signal_check_ns = now_ns + SIGNAL_CHECK_NS
        return INTERRUPTED
    return AGAIN


include "wait_busy_spin.pxi"
include "wait_pause.pxi"
include "wait_yielding.pxi"
include "wait_park.pxi"
include "wait_backoff.pxi"


cdef inline int wait_round(Ops* ops, Waiter* w) noexcept nogil:
    if w.is_late:
        w.is_late = False
        point(ops, Step.WAIT__CLOCK__TIMED_OUT)
        return TIMED_OUT
    if w.strategy == PARK:
        return wait_park(ops, w)
    if w.strategy == PAUSE:
        return wait_pause(ops, w)
    if w.strategy == YIELDING:
        return wait_yielding(ops, w)
    if w.strategy == BACKOFF:
        return wait_backoff(ops, w)
    return wait_busy_spin(ops, w)
