"""The rings with known bugs, switched on by name, and with waiting instructions that trap.

From the sources of the product. The known bugs are those of flag_ring and of park. An end that
waits by an instruction dies of SIGILL on every host, unless a cy_kernels.trap is installed.
"""

from cy_kernels.ring import MUTANTS as MUTANTS
from cy_kernels.ring import STEPS as STEPS
from cy_kernels.ring import STRATEGIES as STRATEGIES
from cy_kernels.ring import CursorReader as CursorReader
from cy_kernels.ring import CursorWriter as CursorWriter
from cy_kernels.ring import FlagReader as FlagReader
from cy_kernels.ring import FlagWriter as FlagWriter
from cy_kernels.ring import Step as Step
from cy_kernels.ring import cursor_describe as cursor_describe
from cy_kernels.ring import cursor_format as cursor_format
from cy_kernels.ring import cursor_region_bytes as cursor_region_bytes
from cy_kernels.ring import cursor_shutdown as cursor_shutdown
from cy_kernels.ring import flag_describe as flag_describe
from cy_kernels.ring import flag_format as flag_format
from cy_kernels.ring import flag_region_bytes as flag_region_bytes
from cy_kernels.ring import install_gate as install_gate
