"""The only clock that kernels read."""

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
    long long sb_monotonic_ns() noexcept nogil


def monotonic_ns():
    """CLOCK_MONOTONIC in ns: the clock of every deadline and every record."""
    return sb_monotonic_ns()
