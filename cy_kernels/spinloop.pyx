"""Wait until a callback, or a word in shared memory, says so: without sleeping, nor hogging."""

from libc.stdint cimport INT64_MAX

from cy_kernels.atomics cimport i64, u8, u32, u64
from cy_kernels.clock cimport clock_ns as read_clock

cdef extern from *:
    """
    #include <sched.h>
    #define sb_spin_mutant 0
    #define sb_spin_yield() ((void)sched_yield())
    """
    int mutant "sb_spin_mutant"
    void yield_core "sb_spin_yield"() noexcept nogil

include "spinloop_mutants.pxi"
include "spinloop_wait.pxi"
include "spinloop_entries.pxi"

MUTANTS = ()
