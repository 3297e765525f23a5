# The only clock that kernels read: CLOCK_MONOTONIC in ns, inline wherever it is cimported.

from cy_kernels.atomics cimport i64

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    static inline int64_t sb_monotonic_ns(void) {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    }
    """
    i64 clock_ns "sb_monotonic_ns"() noexcept nogil
