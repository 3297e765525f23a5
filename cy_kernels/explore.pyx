"""The protocol over a simulated machine: deterministic executions under weak memory models."""

from collections import namedtuple

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT32_MAX, INT64_MAX, UINT64_MAX
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from cy_kernels.atomics cimport ACQUIRE, RELAXED, RELEASE, SEQ_CST, i64, u8, u16, u32, u64
from cy_kernels.layout cimport *

include "ops_list.pxi"

cdef enum:
    NOT_ATOMIC = 64  # the order of what `copy` does

cdef extern from *:
    enum:
        ACQ_REL "__ATOMIC_ACQ_REL"

include "record_line.pxi"
include "protocol/outcomes.pxi"
include "protocol/habit.pxi"
include "engine/fiber.pxi"
include "engine/work.pxi"
include "engine/machine.pxi"
include "engine/choice.pxi"
include "engine/coverage.pxi"
include "engine/memory.pxi"
include "engine/views.pxi"
include "engine/schedule.pxi"
include "ops_sim.pxi"
include "protocol/mutants.pxi"
include "protocol/wait.pxi"
include "protocol/wake.pxi"
include "protocol/flag_ring.pxi"
include "protocol/flag_mutants.pxi"
include "protocol/park_mutants.pxi"
include "protocol/cursor_ring.pxi"
include "engine/ring_program.pxi"
include "engine/litmus.pxi"
include "engine/execution.pxi"
include "engine/names.pxi"
include "engine/evidence.pxi"
include "engine/outcome.pxi"
include "engine/simulation.pxi"
include "engine/explore_all.pxi"
