"""A spin that pauses between two calls of its callback, and never gives up the core."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

from cy_kernels.atomics cimport i64
from cy_kernels.clock cimport clock_ns

cdef extern from *:
    """
    #if defined(__x86_64__)
    #define sb_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define sb_pause() __asm__ __volatile__("yield" ::: "memory")
    #else
    #define sb_pause() __asm__ __volatile__("" ::: "memory")
    #endif
    """
    void pause_core "sb_pause"() noexcept nogil


def spinloop(buffer, callback, double timeout):
    """True once the callback returns True; False after `timeout` seconds."""
    cdef Py_buffer view
    cdef i64 ends_ns = clock_ns() + <i64>(timeout * 1e9)
    cdef unsigned int polls = 0
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        while callback() is not True:
            if polls % 16 == 0 and clock_ns() >= ends_ns:
                return False
            polls += 1
            with nogil:
                pause_core()
        return True
    finally:
        PyBuffer_Release(&view)
