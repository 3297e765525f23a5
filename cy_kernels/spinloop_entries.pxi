# What callers of spinloop and its kin see: arguments checked, the buffer held, signals heeded.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.float cimport PyFloat_AsDouble
from cpython.ref cimport Py_INCREF
from libc.math cimport ceil, isfinite
from libc.string cimport memset

import operator

from cy_kernels.cpu import features, rung_of

STRATEGIES = ("best", *RUNGS)
CONDITIONS = ("equals", "differs", "passes")
SIZES_BITS = (8, 32, 64)

_GOALS = {"equals": WORD_EQUALS, "differs": WORD_DIFFERS, "passes": WORD_PASSES}
_plans = {}

cdef enum:
    PLANS_MAX = 64
    SIGNAL_CHECK_NS = 2000000
    LINE_BYTES_UNKNOWN = 64  # a host that does not say how long its lines are
    # A rate that no counter is below, so that a wait by an unknown one ends too early, never late.
    TSC_HZ_UNKNOWN = 1000000000


cdef class _Plan:
    """What a strategy comes to on a host."""

    cdef int rung  # for what lies in one monitored line
    cdef int unwatched_rung  # for what does not
    cdef size_t line_bytes
    cdef u64 tsc_hz
    cdef u64 clock_ticks


cdef _Plan plan_of(object strategy, object cpu):
    """Made once for each pair of names. Raises TypeError and ValueError."""
    cdef _Plan plan
    if strategy is not None and not isinstance(strategy, str):
        raise TypeError(f"strategy must be a str or None, not {type(strategy).__name__}")
    if cpu is not None and not isinstance(cpu, str):
        raise TypeError(f"cpu must be a str or None, not {type(cpu).__name__}")
    plan = _plans.get((strategy, cpu))
    if plan is None:
        if strategy is not None and strategy not in STRATEGIES:
            raise ValueError(f"wait strategy {strategy!r} is not one of {_listed(STRATEGIES)}")
        plan = new_plan(strategy or "best", features(cpu))
        if len(_plans) >= PLANS_MAX:
            _plans.clear()
        _plans[strategy, cpu] = plan
    return plan


cdef _Plan new_plan(object strategy, object host):
    cdef _Plan plan = _Plan()
    plan.rung = RUNGS.index(rung_of(strategy, host))
    if mutant == ON_BY_DEFAULT and strategy == "best":
        plan.rung = MWAITX_RUNG
    plan.unwatched_rung = plan.rung
    if plan.rung > TPAUSE_RUNG:
        plan.unwatched_rung = RUNGS.index(rung_of("tpause", host))
    if mutant == SMALLEST_LINE:
        plan.line_bytes = host.monitor_line_min_bytes or LINE_BYTES_UNKNOWN
    else:
        plan.line_bytes = host.monitor_line_max_bytes or LINE_BYTES_UNKNOWN
    plan.tsc_hz = host.tsc_hz or TSC_HZ_UNKNOWN
    plan.clock_ticks = host.tsc_hz * SLICE_NS // 1000000000 if host.invariant_tsc else 0
    return plan


# A store beyond the line of its first byte would wake nobody.
cdef bint lies_in_one_line(const void* start, size_t count, size_t line_bytes) noexcept nogil:
    cdef size_t place = <size_t>start % line_bytes
    if mutant == LINE_STRADDLE:
        place = 0
    return 0 < count <= line_bytes - place


cdef inline void start(
    Wait* w, _Plan plan, const u8* bytes, size_t count, i64 began_ns, i64 deadline_ns
) noexcept:
    memset(w, 0, sizeof(Wait))
    w.rung = rung_for(plan, bytes, count)
    w.bytes = w.watched = bytes
    w.count = count
    w.tsc_hz = plan.tsc_hz
    w.clock_ticks = plan.clock_ticks
    w.began_ns = w.now_ns = began_ns
    w.clock_tsc = tsc()
    w.slice_end_ns = began_ns + slice_ns()
    w.deadline_ns = deadline_ns


cdef int rung_for(_Plan plan, const void* start, size_t count) noexcept:
    if lies_in_one_line(start, count, plan.line_bytes):
        return plan.rung
    return plan.unwatched_rung


cdef int hold(object buffer, Py_buffer* view) except -1:
    try:
        PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE)
    except BufferError as error:
        raise ValueError(f"buffer must be contiguous: {error}") from None
    return 0


cdef i64 deadline_of(object timeout, str name, i64 began_ns) except? 0:
    """In CLOCK_MONOTONIC ns."""
    cdef double seconds
    if timeout is None:
        return INT64_MAX
    try:
        seconds = PyFloat_AsDouble(timeout)
    except TypeError:
        raise TypeError(
            f"{name} must be a number of seconds or None, not {type(timeout).__name__}") from None
    except OverflowError:
        raise ValueError(f"{name} must be a number of seconds that a float can hold") from None
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"{name} must be 0 or more seconds, or None, not {timeout!r}")
    if seconds * 1e9 >= <double>(INT64_MAX - began_ns):
        return INT64_MAX
    return began_ns + <i64>ceil(seconds * 1e9)


def spinloop(buffer, callback, timeout=None, *, strategy=None, cpu=None):
    """Call `callback` until what it returns is true; False: `timeout` seconds passed first."""
    cdef _Plan plan = plan_of(strategy, cpu)
    cdef Py_buffer view
    cdef Wait w
    cdef i64 began_ns = read_clock()
    cdef i64 deadline_ns = deadline_of(timeout, "timeout", began_ns)
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    hold(buffer, &view)
    try:
        start(&w, plan, <const u8*>view.buf, view.len, began_ns, deadline_ns)
        w.goal = BYTES_CHANGE if 0 < view.len <= SEEN_BYTES else CALLBACK_SAYS
        return call_until_true(&w, callback)
    except BaseException:
        if mutant == KEEPS_THE_BUFFER:
            hold(buffer, &view)
        raise
    finally:
        PyBuffer_Release(&view)


# Asked once more after the time is over: what came while this process was held up is not too late.
cdef bint call_until_true(Wait* w, object callback) except -1:
    cdef bint is_late = w.now_ns >= w.deadline_ns
    while True:
        if w.goal == BYTES_CHANGE:
            remember(w.seen, w.bytes, w.count)
        if is_true(callback()):
            return learned(w, True)
        if is_late:
            return learned(w, False)
        if is_clock_due(w):
            look_at_clock(w)
        if w.now_ns < w.deadline_ns:
            if mutant != DEAF_TO_SIGNALS:
                PyErr_CheckSignals()
            if mutant == KEEPS_THE_LOCK:
                spend(w)
            else:
                with nogil:
                    spend(w)
        is_late = w.now_ns >= w.deadline_ns


cdef inline bint is_true(object result) except -1:
    if mutant == KEEPS_THE_RESULT:
        Py_INCREF(result)
    if mutant == IS_TRUE_ONLY:
        return result is True
    return bool(result)


def wait_until(
    buffer, offset, condition, value, *, size_bits=64, timeout_s=None, strategy=None, cpu=None
):
    """Wait until the word at `offset` equals, differs from or passes `value`; False: too late."""
    cdef _Plan plan = plan_of(strategy, cpu)
    cdef Py_buffer view
    cdef Wait w
    cdef i64 began_ns = read_clock()
    cdef i64 deadline_ns = deadline_of(timeout_s, "timeout_s", began_ns)
    if size_bits not in SIZES_BITS:
        raise ValueError(f"size_bits must be one of {_listed(SIZES_BITS)}, not {size_bits!r}")
    if condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r} is not one of {_listed(CONDITIONS)}")
    cdef Py_ssize_t size = size_bits // 8
    cdef u64 wanted = _checked("value", value, 0, (1 << size_bits) - 1)
    hold(buffer, &view)
    try:
        place = _checked("offset", offset, 0, view.len - size)
        start(&w, plan, <const u8*>view.buf + <size_t>place, size, began_ns, deadline_ns)
        if <size_t>w.bytes % size:
            raise ValueError(
                f"the word at offset {place} lies at an address that is no multiple of {size}")
        w.goal = _GOALS[condition]
        w.size_bits = size_bits
        w.value = wanted
        return wait_for_goal(&w)
    finally:
        PyBuffer_Release(&view)


def wait_until_all(
    buffer, offset, count, value=1, *, timeout_s=None, strategy=None, cpu=None
):
    """Wait until `count` bytes from `offset` on all equal `value`; False: too late."""
    cdef _Plan plan = plan_of(strategy, cpu)
    cdef Py_buffer view
    cdef Wait w
    cdef i64 began_ns = read_clock()
    cdef i64 deadline_ns = deadline_of(timeout_s, "timeout_s", began_ns)
    cdef u64 wanted = _checked("value", value, 0, 255)
    hold(buffer, &view)
    try:
        place = _checked("offset", offset, 0, view.len - 1)
        flags = _checked("count", count, 1, view.len - place)
        start(&w, plan, <const u8*>view.buf + <size_t>place, 1, began_ns, deadline_ns)
        w.count = flags
        w.goal = ALL_EQUAL
        w.value = wanted
        return wait_for_goal(&w)
    finally:
        PyBuffer_Release(&view)


cdef bint wait_for_goal(Wait* w) except -1:
    cdef bint was_met = is_met(w)
    while not was_met and w.now_ns < w.deadline_ns:
        if mutant != DEAF_TO_SIGNALS:
            PyErr_CheckSignals()
        with nogil:
            was_met = wait_met(w, w.now_ns + SIGNAL_CHECK_NS)
    return learned(w, was_met)


def rung(buffer=None, *, strategy=None, cpu=None):
    """The name of the rung that a call with these arguments runs."""
    cdef _Plan plan = plan_of(strategy, cpu)
    cdef Py_buffer view
    if buffer is None:
        return RUNGS[plan.rung]
    hold(buffer, &view)
    try:
        return RUNGS[rung_for(plan, view.buf, view.len)]
    finally:
        PyBuffer_Release(&view)


# Never an object whose comparisons are its own: a bound that it passes must be one that it keeps.
_exact_int = int.__index__


def _checked(name, number, low, high):
    """As an int. Raises TypeError and ValueError, with its name and bounds."""
    try:
        exact = _exact_int(operator.index(number))
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(number).__name__}") from None
    if high < low:
        raise ValueError(f"{name} {exact} is out of bounds: the buffer is too small")
    if not low <= exact <= high:
        raise ValueError(f"{name} must be {low} to {high}, not {exact}")
    return exact


def _listed(names):
    return ", ".join(map(str, names))
