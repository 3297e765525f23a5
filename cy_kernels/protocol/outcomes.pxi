# What a poll, a wait or an await ends with.

cdef enum:
    READY = 0  # the slot is ours
    NOT_READY = 1
    AGAIN = 2  # one round of waiting is over: poll again
    TIMED_OUT = 3
    INTERRUPTED = 4  # let Python look at its signals, then come back
    ENDED = 5
    CLOSED = 6
    EVICTED = 7
    FENCED = 8

cdef enum:
    SLEPT = 0  # of futex_wait and nap
    SLEPT_TO_DEADLINE = 1
    SLEPT_TO_SIGNAL = 2

cdef enum:
    SIGNAL_CHECK_NS = 5000000  # a spinning wait gives Python a chance to see Ctrl-C this often
    SIGNALS_CHECKED = -1  # Waiter.signal_check_ns of one that has done so for good
