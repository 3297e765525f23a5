# Ordered loads, stores and fences on mapped memory. Declarations only: the compiler's own builtins.
#
# GCC and Clang define the __atomic builtins for any lock-free object, mapped memory included
# (GCC manual, "Built-in Functions for Memory Model Aware Atomic Operations"); C11's _Atomic
# would need the objects to be declared so, which bytes of another program's queue are not.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef uint8_t u8
ctypedef uint16_t u16
ctypedef uint32_t u32
ctypedef uint64_t u64
ctypedef int64_t i64

cdef extern from *:
    """
    #include <stdint.h>
    #if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "spinbed's region layout is little-endian"
    #endif
    _Static_assert(__atomic_always_lock_free(8, 0), "64-bit atomics must be lock-free");
    """
    enum:
        RELAXED "__ATOMIC_RELAXED"
        ACQUIRE "__ATOMIC_ACQUIRE"
        RELEASE "__ATOMIC_RELEASE"
        SEQ_CST "__ATOMIC_SEQ_CST"
