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
    int grace  # adaptive: the hardware strategy it waits by before it parks, or PAUSED_POLLS
    bint is_grace_over
    bint is_offer_taken  # somebody else was given the core that was offered last
    u32 grace_rounds
    i64 grace_ns
    bint is_armed
    bint is_late  # the deadline has passed: the poll that follows is the last
    bint is_overslept  # the timer of a hardware wait ended it: the poll that follows should fail
    u32 seen  # the event word when the waiter armed
    u32 rounds
    u32* event  # futex word that the other side bumps
    u32* parked  # flag that tells the other side to do so
    const void* watched  # the word that changes last before the condition holds; set by the ring
    u64* heartbeat_ns  # the waiter's own word for evidence, or NULL
    Habit* habit  # or NULL
    i64 deadline_ns  # absolute; INT64_MAX = none
    i64 signal_check_ns
    i64 nap_ns
    i64 now_ns  # at the last look at the clock
    i64 began_ns  # at the first look; 0: there was none yet
    i64 offer_ns  # when the core is offered to others next; 0: HOLD_NS after the next look
    i64 offered_ns  # when it was offered last, until the next look; 0: was not

cdef enum:
    BUSY_SPIN = 0
    PAUSE = 1
    YIELDING = 2
    PARK = 3
    BACKOFF = 4
    ADAPTIVE = 5
    TPAUSE = 6
    MWAITX = 7
    UMWAIT = 8
    WFE = 9
    WFET = 10
    PAUSED_POLLS = 0  # of Waiter.grace

STRATEGIES = (
    "busy_spin", "pause", "yielding", "park", "backoff", "adaptive", "tpause", "mwaitx", "umwait",
    "wfe", "wfet",
)
BEST = "best"  # adaptive, and its grace waited by the best instruction that the host has
ASKED_FOR = (*STRATEGIES, BEST)

cdef enum:
    # A waiter that holds its core offers it to others this often. With more waiters than cores the
    # one they all wait for gets its turn after so long, not after a scheduler's quantum of
    # milliseconds; with a core to spare it costs a system call (0.4 us) in so long: 2 %.
    HOLD_NS = 20000
    OFFER_TAKEN_NS = 5000  # sched_yield takes 0.4 us where nobody else wants the core


cdef inline int look_at_clock(Ops* ops, Waiter* w) noexcept nogil:
    w.now_ns = now(ops, Step.WAIT__CLOCK__NOW)
    if w.heartbeat_ns != NULL:
        store64(ops, Step.WAIT__CLOCK__STORE_HEARTBEAT, w.heartbeat_ns, <u64>w.now_ns, RELAXED)
    if w.now_ns >= w.deadline_ns:
        w.is_late = True
        return AGAIN
    if w.signal_check_ns == SIGNALS_CHECKED:
        return AGAIN
    if w.signal_check_ns == 0:
        w.signal_check_ns = w.now_ns + SIGNAL_CHECK_NS
    elif w.now_ns >= w.signal_check_ns:
        w.signal_check_ns = w.now_ns + SIGNAL_CHECK_NS
        return INTERRUPTED
    return AGAIN


# For a waiter that holds its core: the same, and now and then the core is anybody's.
cdef inline int look_and_offer(Ops* ops, Waiter* w) noexcept nogil:
    cdef int reason = look_at_clock(ops, w)
    if w.is_late:
        return reason
    if w.offered_ns != 0:
        w.is_offer_taken = w.now_ns - w.offered_ns >= OFFER_TAKEN_NS
        w.offered_ns = 0
    if w.offer_ns == 0:
        w.offer_ns = w.now_ns + HOLD_NS
    elif w.now_ns >= w.offer_ns:
        w.offer_ns = 0
        w.offered_ns = w.now_ns
        yield_core(ops, Step.WAIT__CLOCK__OFFER)
    return reason


include "wait_busy_spin.pxi"
include "wait_pause.pxi"
include "wait_yielding.pxi"
include "wait_park.pxi"
include "wait_backoff.pxi"
include "wait_monitor.pxi"
include "wait_mwaitx.pxi"
include "wait_umwait.pxi"
include "wait_wfe.pxi"
include "wait_wfet.pxi"
include "wait_tpause.pxi"


cdef inline int wait_in_hardware(Ops* ops, Waiter* w, int strategy) noexcept nogil:
    if strategy == MWAITX:
        return wait_mwaitx(ops, w)
    if strategy == UMWAIT:
        return wait_umwait(ops, w)
    if strategy == WFET:
        return wait_wfet(ops, w)
    if strategy == WFE:
        return wait_wfe(ops, w)
    return wait_tpause(ops, w)


include "wait_adaptive.pxi"


cdef inline int wait_round(Ops* ops, Waiter* w) noexcept nogil:
    if w.is_late:
        w.is_late = False
        point(ops, Step.WAIT__CLOCK__TIMED_OUT)
        return TIMED_OUT
    w.is_overslept = False
    if w.strategy == PARK:
        return wait_park(ops, w)
    if w.strategy == ADAPTIVE:
        return wait_adaptive(ops, w)
    if w.strategy == PAUSE:
        return wait_pause(ops, w)
    if w.strategy == YIELDING:
        return wait_yielding(ops, w)
    if w.strategy == BACKOFF:
        return wait_backoff(ops, w)
    if w.strategy == BUSY_SPIN:
        return wait_busy_spin(ops, w)
    return wait_in_hardware(ops, w, w.strategy)


# The waiting is over. Where the condition holds now, the end remembers how it came to that.
cdef inline void settle(Ops* ops, Waiter* w, int reason) noexcept nogil:
    if w.habit == NULL or reason != READY:
        return
    if w.is_overslept:
        w.habit.rescued += 1
    if w.strategy == ADAPTIVE:
        learn_gap(ops, w)
