# The ops as compiler atomics, memcpy and system calls on mapped memory.
#
# They are macros, so that a memory order reaches the builtin as the constant it must be. `ops`
# names who acts, or is NULL for nobody in particular, whom no gate holds up; `site` names where.

from cy_kernels.atomics cimport ACQUIRE, RELAXED, RELEASE, SEQ_CST, i64, u8, u16, u32, u64
from cy_kernels.clock cimport clock_ns
from cy_kernels.instructions cimport IS_MARKED, MWAITX_TIMER

cdef extern from *:
    """
    #include <errno.h>
    #include <limits.h>
    #include <linux/futex.h>
    #include <sched.h>
    #include <string.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    """

include "gate_ops.pxi"

cdef extern from *:
    """
    #define load8(ops, site, p, order) (SB_AT(ops, site), __atomic_load_n((p), (order)))
    #define load32(ops, site, p, order) (SB_AT(ops, site), __atomic_load_n((p), (order)))
    #define load64(ops, site, p, order) (SB_AT(ops, site), __atomic_load_n((p), (order)))
    #define store8(ops, site, p, v, order) (SB_AT(ops, site), __atomic_store_n((p), (v), (order)))
    #define store32(ops, site, p, v, order) (SB_AT(ops, site), __atomic_store_n((p), (v), (order)))
    #define store64(ops, site, p, v, order) (SB_AT(ops, site), __atomic_store_n((p), (v), (order)))
    #define fence(ops, site, order) (SB_AT(ops, site), __atomic_thread_fence(order))
    #define add32(ops, site, p, v) \\
        (SB_AT(ops, site), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
    #define add64(ops, site, p, v) \\
        (SB_AT(ops, site), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
    #define copy(ops, site, to, from, size) (SB_AT(ops, site), memcpy((to), (from), (size)))
    #define yield_core(ops, site) (SB_AT(ops, site), ((void)sched_yield()))

    #if defined(__x86_64__) || defined(__i386__)
    #define sb_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    static inline void sb_pause(void) { __asm__ __volatile__("yield" ::: "memory"); }
    #else
    static inline void sb_pause(void) { __asm__ __volatile__("" ::: "memory"); }
    #endif
    #define pause_core(ops, site) (SB_AT(ops, site), sb_pause())

    static inline int sb_cas32(uint32_t *p, uint32_t expected, uint32_t desired) {
        return __atomic_compare_exchange_n(
            p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    static inline int sb_cas64(uint64_t *p, uint64_t expected, uint64_t desired) {
        return __atomic_compare_exchange_n(
            p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    #define cas32(ops, site, p, expected, new) (SB_AT(ops, site), sb_cas32((p), (expected), (new)))
    #define cas64(ops, site, p, expected, new) (SB_AT(ops, site), sb_cas64((p), (expected), (new)))

    #define now(ops, site) (SB_AT(ops, site), sb_monotonic_ns())

    static inline struct timespec sb_timespec(int64_t ns) {
        struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        return ts;
    }

    /* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time-out (futex(2)), and the word is
       not FUTEX_PRIVATE, as processes share it. 0 woken or changed, 1 time-out, 2 signal. */
    static inline int sb_futex_wait(uint32_t *p, uint32_t seen, int64_t deadline_ns) {
        struct timespec ts, *until = NULL;
        if (deadline_ns != INT64_MAX) { ts = sb_timespec(deadline_ns); until = &ts; }
        long woken = syscall(
            SYS_futex, p, FUTEX_WAIT_BITSET, seen, until, NULL, FUTEX_BITSET_MATCH_ANY);
        if (woken == 0) return 0;
        return errno == ETIMEDOUT ? 1 : errno == EINTR ? 2 : 0;
    }
    #define futex_wait(ops, site, p, seen, deadline_ns) \\
        (SB_AT(ops, site), sb_futex_wait((p), (seen), (deadline_ns)))
    #define futex_wake(ops, site, p) \\
        (SB_AT(ops, site), (void)syscall(SYS_futex, (p), FUTEX_WAKE, INT_MAX, NULL, NULL, 0))

    /* Sleeps until `until_ns`; 0 slept, 2 signal. */
    static inline int sb_nap(int64_t until_ns) {
        struct timespec ts = sb_timespec(until_ns);
        return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR ? 2 : 0;
    }
    /* How fast the counter runs that hardware waits are timed by (instructions.pxd); an end that
       may execute one sets it first. */
    static uint64_t sb_tsc_hz;
    /* Never 0, which to mwaitx is no timer; a time that is over already is as short as can be. */
    static inline uint64_t sb_cycles(int64_t now_ns, int64_t until_ns) {
        if (until_ns <= now_ns) return 1;
        return (uint64_t)(until_ns - now_ns) * (sb_tsc_hz / 1000) / 1000000 + 1;
    }
    /* INT64_MAX is no deadline, which is a mutant's alone. */
    static inline uint64_t sb_tsc_at(int64_t now_ns, int64_t until_ns) {
        return until_ns == INT64_MAX ? UINT64_MAX : sb_tsc() + sb_cycles(now_ns, until_ns);
    }
    /* Each says whether it was the time that ended it: its own, or the operating system's limit. */
    static inline int sb_mwaitx_until(int64_t now_ns, int64_t until_ns) {
        uint64_t began = sb_tsc(), cycles;
        if (until_ns == INT64_MAX) { sb_mwaitx(0, 0); return 0; }
        cycles = sb_cycles(now_ns, until_ns);
        sb_mwaitx(SB_MWAITX_TIMER, (uint32_t)cycles);
        return sb_tsc() - began >= cycles;
    }
    static inline int sb_umwait_until(int64_t now_ns, int64_t until_ns) {
        uint64_t until = sb_tsc_at(now_ns, until_ns);
        return sb_umwait(until) || sb_tsc() >= until;
    }
    static inline int sb_wfet_until(int64_t now_ns, int64_t until_ns) {
        uint64_t until = sb_tsc_at(now_ns, until_ns);
        sb_wfet(until);
        return sb_tsc() >= until;
    }
    static inline int sb_wfe_until(void) { sb_wfe(); return 0; }  /* nobody can tell */
    #define op_monitorx(ops, site, p) (SB_AT(ops, site), sb_monitorx(p))
    #define op_umonitor(ops, site, p) (SB_AT(ops, site), sb_umonitor(p))
    #define op_arm_exclusive(ops, site, p) (SB_AT(ops, site), sb_arm_exclusive(p))
    #define op_mwaitx(ops, site, now, until) (SB_AT(ops, site), sb_mwaitx_until((now), (until)))
    #define op_umwait(ops, site, now, until) (SB_AT(ops, site), sb_umwait_until((now), (until)))
    #define op_tpause(ops, site, now, until) \\
        (SB_AT(ops, site), sb_tpause(sb_tsc_at((now), (until))))
    #define op_wfe(ops, site, now, until) (SB_AT(ops, site), (void)(until), sb_wfe_until())
    #define op_wfet(ops, site, now, until) (SB_AT(ops, site), sb_wfet_until((now), (until)))

    /* A place without an op of its own, and the mark that one more poll of a wait follows. */
    #define point(ops, site) SB_AT(ops, site)
    #define poll_again(ops, w) ((void)((ops) != NULL && (sb_gate_repeats(1), 1)))
    /* How many polls a strategy spends before it goes to sleep. */
    #define patience_of(ops, polls) (polls)
    #define nap(ops, site, until_ns) (SB_AT(ops, site), sb_nap(until_ns))
    """
    u8 load8(Ops* ops, int site, u8* p, int order) noexcept nogil
    u32 load32(Ops* ops, int site, u32* p, int order) noexcept nogil
    u64 load64(Ops* ops, int site, u64* p, int order) noexcept nogil
    void store8(Ops* ops, int site, u8* p, u8 value, int order) noexcept nogil
    void store32(Ops* ops, int site, u32* p, u32 value, int order) noexcept nogil
    void store64(Ops* ops, int site, u64* p, u64 value, int order) noexcept nogil
    void fence(Ops* ops, int site, int order) noexcept nogil
    u32 add32(Ops* ops, int site, u32* p, u32 value) noexcept nogil
    u64 add64(Ops* ops, int site, u64* p, u64 value) noexcept nogil
    bint cas32(Ops* ops, int site, u32* p, u32 expected, u32 desired) noexcept nogil
    bint cas64(Ops* ops, int site, u64* p, u64 expected, u64 desired) noexcept nogil
    void copy(Ops* ops, int site, void* to, const void* source, size_t size) noexcept nogil
    void pause_core(Ops* ops, int site) noexcept nogil
    void yield_core(Ops* ops, int site) noexcept nogil
    i64 now(Ops* ops, int site) noexcept nogil
    int futex_wait(Ops* ops, int site, u32* p, u32 seen, i64 deadline_ns) noexcept nogil
    void futex_wake(Ops* ops, int site, u32* p) noexcept nogil
    int nap(Ops* ops, int site, i64 until_ns) noexcept nogil
    u64 tsc_hz "sb_tsc_hz"
    void monitorx "op_monitorx"(Ops* ops, int site, const void* p) noexcept nogil
    void umonitor "op_umonitor"(Ops* ops, int site, const void* p) noexcept nogil
    void arm_exclusive "op_arm_exclusive"(Ops* ops, int site, const void* p) noexcept nogil
    bint mwaitx "op_mwaitx"(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil
    bint umwait "op_umwait"(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil
    void tpause "op_tpause"(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil
    bint wfe "op_wfe"(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil
    bint wfet "op_wfet"(Ops* ops, int site, i64 now_ns, i64 until_ns) noexcept nogil
    void point(Ops* ops, int site) noexcept nogil
    void poll_again(Ops* ops, void* w) noexcept nogil
    u32 patience_of(Ops* ops, u32 polls) noexcept nogil
