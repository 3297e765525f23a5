"""The two rings over mapped memory: the protocol on real atomics, behind ends for Python."""

include "ops_list.pxi"
include "ops_real.pxi"

cdef extern from *:
    """
    #define mutant_of(ops) 0
    """
    int mutant_of(Ops* ops) noexcept nogil

MUTANTS = ()

include "recorder_ops.pxi"
include "protocol/habit.pxi"
include "face.pxi"
include "protocol/outcomes.pxi"
include "protocol/mutants.pxi"
include "protocol/wait.pxi"
include "protocol/wake.pxi"
include "protocol/flag_ring.pxi"
include "protocol/flag_mutants.pxi"
include "protocol/park_mutants.pxi"
include "protocol/cursor_ring.pxi"
include "entries.pxi"
include "ends.pxi"
include "ends_views.pxi"
include "ends_flag.pxi"
include "ends_cursor.pxi"
include "ends_batch.pxi"
include "ends_claims.pxi"
include "ends_objects.pxi"
