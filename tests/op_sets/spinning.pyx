"""spinloop and its kin with marked instructions, known bugs by name, and counts of what they do."""

from libc.stdint cimport INT64_MAX

from cy_kernels.atomics cimport i64, u8, u32, u64
from cy_kernels.clock cimport clock_ns

cdef extern from *:
    """
    #include <sched.h>
    static int sb_spin_mutant;
    static uint64_t sb_clock_reads, sb_yields;
    #define sb_spin_clock() (sb_clock_reads++, sb_monotonic_ns())
    #define sb_spin_yield() (sb_yields++, (void)sched_yield())
    """
    int mutant "sb_spin_mutant"
    u64 clock_reads_so_far "sb_clock_reads"
    u64 yields_so_far "sb_yields"
    i64 read_clock "sb_spin_clock"() noexcept nogil
    void yield_core "sb_spin_yield"() noexcept nogil

include "spinloop_mutants.pxi"
include "spinloop_wait.pxi"
include "spinloop_entries.pxi"

MUTANTS = KNOWN_MUTANTS


def become(name):
    """Have this bug from now on, "none" for none."""
    global mutant
    mutant = 0 if name == "none" else 1 + MUTANTS.index(name)
    _plans.clear()


def clock_reads():
    return clock_reads_so_far


def yields():
    return yields_so_far
