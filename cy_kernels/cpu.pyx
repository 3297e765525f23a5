"""What this CPU offers to whoever waits on memory: asked of the CPU itself."""

from libc.stdint cimport INT64_MAX, uint32_t, uint64_t

import os
from dataclasses import replace

from cy_kernels.atomics cimport i64, u32, u64
from cy_kernels.clock cimport clock_ns
from cy_kernels.instructions cimport tsc

from cy_kernels.cpuid import decode_leaves, read_leaves
from cy_kernels.features import ARM, VARIABLE, X86, BadOverride, Features, overridden
from cy_kernels.hwcap import decode_hwcap
from cy_kernels.ladder import can_run, rung_of

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #include <sys/auxv.h>

    #ifndef AT_HWCAP2
    #define AT_HWCAP2 26
    #endif

    #if defined(__x86_64__)
    #include <cpuid.h>
    static inline void sb_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *out) {
        __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
    }
    #else
    static inline void sb_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *out) {
        (void)leaf; (void)subleaf; memset(out, 0, 16);
    }
    #endif

    #if defined(__aarch64__)
    static inline uint64_t sb_ctr_el0(void) {
        uint64_t value;
        __asm__("mrs %0, ctr_el0" : "=r"(value));
        return value;
    }
    static inline uint64_t sb_cntfrq_el0(void) {
        uint64_t value;
        __asm__("mrs %0, cntfrq_el0" : "=r"(value));
        return value;
    }
    #else
    static inline uint64_t sb_ctr_el0(void) { return 0; }
    static inline uint64_t sb_cntfrq_el0(void) { return 0; }
    #endif

    enum {
    #if defined(__x86_64__)
        SB_IS_X86 = 1,
    #else
        SB_IS_X86 = 0,
    #endif
    #if defined(__aarch64__)
        SB_IS_ARM = 1,
    #else
        SB_IS_ARM = 0,
    #endif
    };
    """
    enum:
        IS_X86 "SB_IS_X86"
        IS_ARM "SB_IS_ARM"
        AT_HWCAP
        AT_HWCAP2
    unsigned long getauxval(unsigned long type) noexcept nogil
    void read_cpuid "sb_cpuid"(uint32_t leaf, uint32_t subleaf, uint32_t* out) noexcept nogil
    uint64_t ctr_el0 "sb_ctr_el0"() noexcept nogil
    uint64_t cntfrq_el0 "sb_cntfrq_el0"() noexcept nogil

cdef enum:
    PAIR_TRIES = 5
    # Long enough that the 30 ns or so of either end's error are some 60 parts in a million.
    CALIBRATION_NS = 1000000


cdef struct ClockPair:
    u64 ticks
    i64 ns


# A counter value and the ns at which it was read: the closest of a few tries, so that a preemption
# between the two reads does not become an error of the rate.
cdef ClockPair clock_pair() noexcept nogil:
    cdef ClockPair best
    cdef i64 before_ns, after_ns, best_ns = INT64_MAX
    cdef u64 ticks
    best.ticks = 0
    best.ns = 0
    for _ in range(PAIR_TRIES):
        before_ns = clock_ns()
        ticks = tsc()
        after_ns = clock_ns()
        if after_ns - before_ns < best_ns:
            best_ns = after_ns - before_ns
            best.ticks = ticks
            best.ns = before_ns + best_ns // 2
    return best


_found = {}


def leaves():
    """The CPUID leaves that decide, as {(leaf, subleaf): (eax, ebx, ecx, edx)}; {} elsewhere."""
    return read_leaves(_cpuid) if IS_X86 else {}


def _cpuid(leaf, subleaf):
    cdef uint32_t out[4]
    read_cpuid(leaf, subleaf, out)
    return out[0], out[1], out[2], out[3]


def features(override=None):
    """What this CPU offers, asked once per process; `override`, else SPINBED_CPU, is not cached."""
    if "cpu" not in _found:
        _found.setdefault("cpu", _ask())
    return overridden(_found["cpu"], override)


def _ask():
    if IS_X86:
        found = decode_leaves(leaves())
        if found.tsc_hz:
            return found
        return replace(found, tsc_hz=calibrated_tsc_hz(), tsc_source="calibrated")
    if IS_ARM:
        return decode_hwcap(getauxval(AT_HWCAP), getauxval(AT_HWCAP2),
                            ctr_el0=ctr_el0(), cntfrq_el0=cntfrq_el0())
    return Features(os.uname().machine, source="nothing is known of this machine")


def calibrated_tsc_hz():
    """The counter's rate against CLOCK_MONOTONIC in Hz, measured now, for 1 ms."""
    cdef ClockPair early, late
    with nogil:
        early = clock_pair()
        late = clock_pair()
        while late.ns - early.ns < CALIBRATION_NS:
            late = clock_pair()
    return int((late.ticks - early.ticks) * 1000000000.0 / (late.ns - early.ns))
