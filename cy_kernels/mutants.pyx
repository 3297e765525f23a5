"""The rings with known bugs, switched on by name, and with waiting instructions that trap."""

# From the sources of the product, a second time: what must not cost the product anything. The known
# bugs are those of flag_ring and of park. Every instruction that waits on memory has a marker
# before it (setup.py), so it raises SIGILL on every host: whoever opens an end here that waits so
# has installed a cy_kernels.trap.

include "ops_list.pxi"
include "ops_real.pxi"

cdef extern from *:
    """
    #define mutant_of(ops) ((ops) != NULL ? (ops)->mutant : 0)
    """
    int mutant_of(Ops* ops) noexcept nogil

include "recorder_ops.pxi"
include "protocol/habit.pxi"
include "face.pxi"
include "protocol/outcomes.pxi"
include "protocol/mutants.pxi"

MUTANTS = (*KNOWN_MUTANTS, *MONITOR_MUTANTS)

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
