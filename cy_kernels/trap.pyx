"""Emulate the instructions that wait on memory, by the signal that a host without them answers."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memset

import os

from cy_kernels.atomics cimport u8, u32, u64

include "traps/block.pxi"
include "traps/decode.pxi"
include "traps/monitor.pxi"
include "traps/handler.pxi"

TRAP_BYTES = sizeof(Trap)
INSTRUCTIONS = ("umonitor", "umwait", "tpause", "monitorx", "mwaitx")
ENDINGS = ("change", "deadline", "limit", "signal", "disturbance", "unarmed", "removal")
DISTURBANCES = ("missed", "early", "raced_arm", "raced_wait", "raced_lost")
LIMIT_CYCLES = 100_000  # what Linux sets: arch/x86/kernel/cpu/umwait.c

cdef enum:
    LEAVE_WITHIN_MS = 10_000  # a thread in an emulated wait looks every few us

cdef extern from *:
    """
    #define sb_put32(word, value) __atomic_store_n((word), (value), __ATOMIC_SEQ_CST)
    #define sb_put64(word, value) __atomic_store_n((word), (value), __ATOMIC_SEQ_CST)
    #define sb_grant(word, count) __atomic_fetch_add((word), (count), __ATOMIC_SEQ_CST)
    """
    void put32 "sb_put32"(u32* word, u32 value) noexcept nogil
    void put64 "sb_put64"(u64* word, u64 value) noexcept nogil
    u32 add32 "sb_grant"(u32* word, u32 count) noexcept nogil

cdef Trap own
cdef Trap* installed = NULL
cdef Py_buffer held_trap
cdef bint holds_buffer = False


cdef class _Held:
    """The control block in somebody's buffer, for the length of one call; None: the installed."""

    cdef Py_buffer view
    cdef Trap* trap
    cdef bint is_foreign

    def __cinit__(self, buffer):
        if buffer is None:
            if installed == NULL:
                raise ValueError("no trap is installed: name the buffer that is meant")
            self.trap = installed
            return
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        try:
            self.trap = checked(&self.view)
        except ValueError:
            PyBuffer_Release(&self.view)
            raise
        self.is_foreign = True

    def __dealloc__(self):
        if self.is_foreign:
            PyBuffer_Release(&self.view)


cdef Trap* checked(Py_buffer* view) except NULL:
    if view.len < <Py_ssize_t>sizeof(Trap) or <size_t>view.buf % 8:
        raise ValueError(f"a trap needs {sizeof(Trap)} bytes, aligned to 8")
    return <Trap*>view.buf


def refusal():
    """Why nothing can be installed here; None: it can."""
    return None if TRAP_REFUSAL == NULL else TRAP_REFUSAL.decode()


def install(buffer=None, *, u32 line_bytes=64, u64 limit_cycles=LIMIT_CYCLES):
    """Emulate from now on what traps in this process. See trap.pyi."""
    global installed, held_trap, holds_buffer
    cdef Py_buffer view
    cdef Trap* trap = &own
    cdef int error
    why_not = refusal()
    if why_not is not None:
        raise NotImplementedError(why_not)
    if installed != NULL:
        raise RuntimeError("a trap is installed already: uninstall that one")
    if line_bytes & (line_bytes - 1) or not 8 <= line_bytes <= 4096:
        raise ValueError(f"line_bytes must be a power of two, 8 to 4096, not {line_bytes}")
    if buffer is None:
        memset(&own, 0, sizeof(Trap))
    else:
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            trap = checked(&view)
        except ValueError:
            PyBuffer_Release(&view)
            raise
        held_trap = view
        holds_buffer = True
    put32(&trap.line_bytes, line_bytes)
    put64(&trap.limit_cycles, limit_cycles)
    error = trap_install(trap)
    if error:
        let_go()
        raise OSError(error, f"sigaction of SIGILL: {os.strerror(error)}")
    installed = trap


def uninstall():
    """SIGILL is as it was before `install`. A no-op where nothing is installed."""
    global installed
    cdef int error
    if installed == NULL:
        return
    with nogil:
        error = trap_uninstall(LEAVE_WITHIN_MS)
    installed = NULL
    if error:  # somebody may be in there yet, so the buffer is not let go
        raise OSError(error, f"leaving the emulator: {os.strerror(error)}")
    let_go()


cdef void let_go() noexcept:
    global holds_buffer
    if holds_buffer:
        holds_buffer = False
        PyBuffer_Release(&held_trap)


def is_installed():
    """In this process, by this module."""
    return installed != NULL


def disturb(buffer, how, *, u32 every=1, u64 cycles=0):
    """Disturb every nth wait, or arming, from now on. See trap.pyi for how."""
    cdef _Held held = _Held(buffer)
    if how not in DISTURBANCES:
        raise ValueError(f"disturbance {how!r} is not one of {', '.join(DISTURBANCES)}")
    if every < 1:
        raise ValueError("every is counted from 1")
    put32(&held.trap.how, 0)
    put32(&held.trap.every, every)
    put64(&held.trap.cycles, cycles)
    put32(&held.trap.how, 1 + DISTURBANCES.index(how))


def calm(buffer):
    """Disturb nothing any more. A wait that missed a store notices it now."""
    cdef _Held held = _Held(buffer)
    put32(&held.trap.how, 0)


def limit(buffer, u64 cycles):
    """Each umwait and tpause ends after so many cycles, with the carry set; 0: no limit."""
    cdef _Held held = _Held(buffer)
    put64(&held.trap.limit_cycles, cycles)


def grant(buffer, u32 tokens=1):
    """Let go so many of the threads that a disturbance holds, or will hold."""
    cdef _Held held = _Held(buffer)
    add32(&held.trap.tokens, tokens)


def state(buffer=None):
    """What has been seen so far. See trap.pyi for the keys."""
    cdef _Held held = _Held(buffer)
    cdef Trap* trap = held.trap
    cdef Trapped* each
    seen = {}
    for number, name in enumerate(INSTRUCTIONS):
        each = &trap.seen[<int>number]
        seen[name] = {"emulated": each.emulated, "reserved": each.reserved}
        if name in ("umonitor", "monitorx"):
            seen[name]["address"] = each.address
        else:
            seen[name].update(
                cycles=each.cycles, longest_cycles=each.longest_cycles, control=each.control)
        if name in ("umwait", "tpause"):
            seen[name]["deadline"] = each.deadline
        if name in ("monitorx", "mwaitx"):
            seen[name]["extensions"] = each.extensions
    seen["mwaitx"]["unbounded"] = trap.seen[4].unbounded
    return {
        "instructions": seen,
        "armings": trap.armings,
        "waits": trap.waits,
        "waiting": trap.waiting,
        "held": trap.held,
        "handed_on": trap.handed_on,
        "ended": {name: trap.ended[<int>i] for i, name in enumerate(ENDINGS)},
        "disturbed": {name: trap.disturbed[<int>i] for i, name in enumerate(DISTURBANCES, 1)},
        "struck": {name: trap.struck[<int>i] for i, name in enumerate(DISTURBANCES, 1)},
        "disturbance": ("calm", *DISTURBANCES)[trap.how] if trap.how < 6 else "unknown",
    }


def decode(code):
    """(instruction, length, number of its register) at the beginning of some bytes; or None."""
    cdef Py_buffer view
    cdef Decoded found
    PyObject_GetBuffer(code, &view, PyBUF_SIMPLE)
    found = decode_at(<u8*>view.buf, view.len)
    PyBuffer_Release(&view)
    if found.instruction < 0:
        return None
    return INSTRUCTIONS[found.instruction], found.length, found.operand
