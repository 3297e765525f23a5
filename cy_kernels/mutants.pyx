"""flag_ring and park with known bugs, switched on by name; from the sources of the product."""

include "ops_list.pxi"
include "ops_real.pxi"

cdef extern from *:
    """
    #define mutant_of(ops) ((ops) != NULL ? (ops)->mutant : 0)
    """
    int mutant_of(Ops* ops) noexcept nogil

include "recorder_ops.pxi"
include "face.pxi"
include "protocol/outcomes.pxi"
include "protocol/mutants.pxi"

MUTANTS = KNOWN_MUTANTS

include "protocol/wait.pxi"
include "protocol/wake.pxi"
include "protocol/flag_ring.pxi"
include "protocol/flag_mutants.pxi"
include "protocol/park_mutants.pxi"
include "entries.pxi"
include "ends.pxi"
include "ends_views.pxi"
include "ends_flag.pxi"
