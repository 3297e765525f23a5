"""flag_ring with known bugs to be switched on by name, from the same sources as the product."""

include "ops_list.pxi"
include "ops_real.pxi"

cdef extern from *:
    """
    #define mutant_of(ops) ((ops) != NULL ? (ops)->mutant : 0)
    """
    int mutant_of(Ops* ops) noexcept nogil

MUTANTS = (
    "flag-before-data",
    "reset-before-data",
    "flag-before-reset",
    "step-over-not-ready",
    "release-before-read",
    "no-release-on-raise",
    "no-data-fence",
)

include "recorder_ops.pxi"
include "face.pxi"
include "protocol/outcomes.pxi"
include "protocol/wait.pxi"
include "protocol/wake.pxi"
include "protocol/flag_ring.pxi"
include "protocol/flag_mutants.pxi"
include "entries.pxi"
include "ends.pxi"
include "ends_flag.pxi"
