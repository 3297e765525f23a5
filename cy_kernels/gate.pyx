"""Arm, watch and drive the step gate of a process, from any process that maps its control block."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

include "ops_list.pxi"
include "ops_real.pxi"

GATE_BYTES = sizeof(Gate)
ANY = 0xFFFFFFFF  # every step, for lock-step driving by tokens
ACTIONS = {"stop": 1, "kill": 2, "token": 3, "raise": 4}

_NUMBERS = {name: number for number, name in STEPS}
_NAMES = dict(STEPS)


cdef class _Held:
    """The control block in somebody's buffer, for the length of one call."""

    cdef Py_buffer view
    cdef Gate* gate

    def __cinit__(self, buffer):
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        if self.view.len < <Py_ssize_t>sizeof(Gate) or <size_t>self.view.buf % 8:
            PyBuffer_Release(&self.view)
            raise ValueError(f"a gate needs {sizeof(Gate)} bytes, aligned to 8")
        self.gate = <Gate*>self.view.buf

    def __dealloc__(self):
        if self.gate != NULL:
            PyBuffer_Release(&self.view)


def number_of(str step):
    """The number of a step's name. Raises ValueError for an unknown one."""
    if step not in _NUMBERS:
        raise ValueError(f"no step {step!r}")
    return _NUMBERS[step]


def arm(buffer, step, action, u32 occurrence=1):
    """At the nth occurrence of `step` within one message, take `action` once. None: at every step,
    each time (tokens only). Raises ValueError for an unknown step or action."""
    cdef _Held held = _Held(buffer)
    cdef u32 number = ANY if step is None else number_of(step)
    if action not in ACTIONS:
        raise ValueError(f"action {action!r} is not one of {', '.join(ACTIONS)}")
    if step is None and action != "token":
        raise ValueError("only tokens can be asked for at every step")
    if occurrence < 1:
        raise ValueError("occurrences are counted from 1")
    held.gate.step = 0
    held.gate.seen = 0
    held.gate.occurrence = occurrence
    held.gate.action = ACTIONS[action]
    store32(NULL, 0, &held.gate.step, number, RELEASE)


def disarm(buffer):
    """Nothing more is taken. Who waits for a token still waits for it."""
    cdef _Held held = _Held(buffer)
    store32(NULL, 0, &held.gate.step, 0, SEQ_CST)


def grant(buffer, u32 tokens=1):
    """Let the process pass `tokens` steps at which it waits or will wait."""
    cdef _Held held = _Held(buffer)
    add32(NULL, 0, &held.gate.tokens, tokens)
    futex_wake(NULL, 0, &held.gate.tokens)


def await_arrivals(buffer, u32 arrivals, i64 deadline_ns):
    """Wait until the action was taken `arrivals` times in all; False: the deadline came first."""
    cdef _Held held = _Held(buffer)
    cdef u32 seen
    cdef int slept
    while True:
        seen = load32(NULL, 0, &held.gate.arrivals, SEQ_CST)
        if seen >= arrivals:
            return True
        if now(NULL, 0) >= deadline_ns:
            return False
        with nogil:
            slept = futex_wait(NULL, 0, &held.gate.arrivals, seen, deadline_ns)
        PyErr_CheckSignals()


def state(buffer):
    """What the gate has seen: arrivals, the last step and occurrence, and every step passed."""
    cdef _Held held = _Held(buffer)
    cdef Gate* gate = held.gate
    cdef u32 step = gate.step
    visited = [
        name for number, name in STEPS if gate.visited[number // 64 % 4] >> (number % 64) & 1]
    return {
        "armed": None if step in (0, ANY) else _NAMES.get(step, f"unknown ({step})"),
        "arrivals": gate.arrivals,
        "last_step": _NAMES.get(gate.last_step),
        "last_occurrence": gate.last_occurrence,
        "visited": visited,
    }


def install(buffer):
    """Pass every op of this process's kernels through the gate in `buffer`; None: through none."""
    from cy_kernels import mutants, ring

    ring.install_gate(buffer)
    mutants.install_gate(buffer)
