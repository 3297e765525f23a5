# backoff: a short spin, then naps that double from 2 us to 1 ms. Needs nothing of the waker, so it
# works with a peer that knows no event words; pays with up to a nap of latency and some CPU (about
# 1 % of a core at the longest nap).

cdef enum:
    BACKOFF_SPINS = 32
    BACKOFF_NAP_MIN_NS = 2000
    BACKOFF_NAP_MAX_NS = 1000000

cdef inline int wait_backoff(Ops* ops, Waiter* w) noexcept nogil:
    cdef i64 now_ns, until_ns
    if w.rounds < patience_of(ops, BACKOFF_SPINS):
        w.rounds += 1
        pause_core(ops, Step.WAIT__BACKOFF__PAUSE)
        return AGAIN
    w.nap_ns = min(max(2 * w.nap_ns, BACKOFF_NAP_MIN_NS), BACKOFF_NAP_MAX_NS)
    now_ns = now(ops, Step.WAIT__CLOCK__NOW)
    until_ns = now_ns + w.nap_ns
    if until_ns > w.deadline_ns:
        until_ns = w.deadline_ns
    if until_ns > now_ns and nap(ops, Step.WAIT__BACKOFF__NAP, until_ns) == SLEPT_TO_SIGNAL:
        return INTERRUPTED
    return look_at_clock(ops, w)
