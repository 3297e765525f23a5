# The instructions that wait on memory, as inline functions. Declarations and encodings only: who
# may execute which says cy_kernels.cpu, and when is the business of the wait strategies.
#
# Encoded as bytes, so that neither compiler flags nor a recent assembler are needed. Each exists on
# one machine only; elsewhere it compiles to nothing, and no rung leads there.
#
#   monitorx, mwaitx           AMD64 Architecture Programmer's Manual, vol. 3
#   umonitor, umwait, tpause   Intel SDM, vol. 2 (WAITPKG)
#   ldaxrb, wfe, wfet          Arm ARM, C6.2 (WFET: FEAT_WFxT)
#
# With SPINBED_UD2_MARKERS an `ud2` stands before each of those of x86: a machine that has them, or
# that executes them although it cannot wait, then traps as one does that has none, and a handler
# can emulate them (cy_kernels.trap).

from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>

    #ifdef SPINBED_UD2_MARKERS
    #define SB_IS_MARKED 1
    #else
    #define SB_IS_MARKED 0
    #endif

    #if defined(__x86_64__)

    #if SB_IS_MARKED
    #define SB_MARKER ".byte 0x0f, 0x0b\\n\\t"
    #else
    #define SB_MARKER
    #endif

    static inline uint64_t sb_tsc(void) { return __builtin_ia32_rdtsc(); }

    /* From here on a store to the monitored line of `p` is noticed, and ends an mwaitx. */
    static inline void sb_monitorx(const void *p) {
        __asm__ __volatile__(SB_MARKER ".byte 0x0f, 0x01, 0xfa"
                             :: "a"(p), "c"(0), "d"(0) : "memory");
    }

    enum { SB_MWAITX_TIMER = 2, SB_MWAITX_C1 = 0 };

    /* Sleep until the line is stored to, an interrupt, or `cycles` of the TSC have passed. The
       extension bits are an argument for the mutants' sake: all others set the timer. */
    static inline void sb_mwaitx(uint32_t extensions, uint32_t cycles) {
        __asm__ __volatile__(SB_MARKER ".byte 0x0f, 0x01, 0xfb"
                             :: "a"(SB_MWAITX_C1), "b"(cycles), "c"(extensions) : "memory");
    }

    static inline void sb_umonitor(const void *p) {
        __asm__ __volatile__(SB_MARKER ".byte 0xf3, 0x0f, 0xae, 0xf0" :: "a"(p) : "memory");
    }

    enum { SB_WAITPKG_C01 = 1 };

    /* Sleep until the line is stored to or the TSC reaches `tsc`. 1: the operating system's limit
       (IA32_UMWAIT_CONTROL) ended it, which may be long before. */
    static inline int sb_umwait(uint64_t tsc) {
        unsigned char carry;
        __asm__ __volatile__(SB_MARKER ".byte 0xf2, 0x0f, 0xae, 0xf1\\n\\tsetc %0"
                             : "=qm"(carry)
                             : "a"((uint32_t)tsc), "d"((uint32_t)(tsc >> 32)), "c"(SB_WAITPKG_C01)
                             : "memory", "cc");
        return carry;
    }

    /* The same without a line. */
    static inline int sb_tpause(uint64_t tsc) {
        unsigned char carry;
        __asm__ __volatile__(SB_MARKER ".byte 0x66, 0x0f, 0xae, 0xf1\\n\\tsetc %0"
                             : "=qm"(carry)
                             : "a"((uint32_t)tsc), "d"((uint32_t)(tsc >> 32)), "c"(SB_WAITPKG_C01)
                             : "memory", "cc");
        return carry;
    }

    static inline void sb_arm_exclusive(const void *p) { (void)p; }
    static inline void sb_wfe(void) {}
    static inline void sb_wfet(uint64_t until) { (void)until; }

    #else

    static inline void sb_monitorx(const void *p) { (void)p; }
    enum { SB_MWAITX_TIMER = 2 };
    static inline void sb_mwaitx(uint32_t extensions, uint32_t cycles) {
        (void)extensions; (void)cycles;
    }
    static inline void sb_umonitor(const void *p) { (void)p; }
    static inline int sb_umwait(uint64_t tsc) { (void)tsc; return 0; }
    static inline int sb_tpause(uint64_t tsc) { (void)tsc; return 0; }

    #if defined(__aarch64__)

    /* The counter that WFET compares with; sb_tsc, as it counts what the TSC does elsewhere. */
    static inline uint64_t sb_tsc(void) {
        uint64_t ticks;
        __asm__ __volatile__("isb\\n\\tmrs %0, cntvct_el0" : "=r"(ticks) :: "memory");
        return ticks;
    }

    /* Mark the granule of `p`: another core's store to it is an event, which ends a wfe. */
    static inline void sb_arm_exclusive(const void *p) {
        uint32_t byte;
        __asm__ __volatile__("ldaxrb %w0, [%1]" : "=r"(byte) : "r"(p) : "memory");
    }

    /* Ended by any event; the kernel's event stream makes one every 100 us at the latest. */
    static inline void sb_wfe(void) { __asm__ __volatile__("wfe" ::: "memory"); }

    static inline void sb_wfet(uint64_t until) {
        register uint64_t x0 __asm__("x0") = until;
        __asm__ __volatile__(".inst 0xd5031000" :: "r"(x0) : "memory");  /* wfet x0 */
    }

    #else

    static inline uint64_t sb_tsc(void) { return 0; }
    static inline void sb_arm_exclusive(const void *p) { (void)p; }
    static inline void sb_wfe(void) {}
    static inline void sb_wfet(uint64_t until) { (void)until; }

    #endif
    #endif
    """
    enum:
        MWAITX_TIMER "SB_MWAITX_TIMER"
    const bint IS_MARKED "SB_IS_MARKED"
    uint64_t tsc "sb_tsc"() noexcept nogil
    void monitorx "sb_monitorx"(const void* p) noexcept nogil
    void mwaitx "sb_mwaitx"(uint32_t extensions, uint32_t cycles) noexcept nogil
    void umonitor "sb_umonitor"(const void* p) noexcept nogil
    bint umwait "sb_umwait"(uint64_t tsc) noexcept nogil
    bint tpause "sb_tpause"(uint64_t tsc) noexcept nogil
    void arm_exclusive "sb_arm_exclusive"(const void* p) noexcept nogil
    void wfe "sb_wfe"() noexcept nogil
    void wfet "sb_wfet"(uint64_t until) noexcept nogil
