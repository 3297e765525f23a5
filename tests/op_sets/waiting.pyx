"""The inline functions of instructions.pxd, one by one, for Python."""

from libc.stdint cimport uint32_t, uint64_t

from cy_kernels cimport instructions


def tsc():
    return instructions.tsc()


def monitorx(size_t address):
    instructions.monitorx(<const void*>address)


def mwaitx(uint32_t extensions, uint32_t cycles):
    with nogil:
        instructions.mwaitx(extensions, cycles)


def umonitor(size_t address):
    instructions.umonitor(<const void*>address)


def umwait(uint64_t deadline):
    cdef bint carry
    with nogil:
        carry = instructions.umwait(deadline)
    return carry


def tpause(uint64_t deadline):
    cdef bint carry
    with nogil:
        carry = instructions.tpause(deadline)
    return carry
