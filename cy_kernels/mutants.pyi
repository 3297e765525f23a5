"""flag_ring and park with known bugs, switched on by name; from the sources of the product."""

from cy_kernels.ring import MUTANTS as MUTANTS
from cy_kernels.ring import STEPS as STEPS
from cy_kernels.ring import STRATEGIES as STRATEGIES
from cy_kernels.ring import FlagReader as FlagReader
from cy_kernels.ring import FlagWriter as FlagWriter
from cy_kernels.ring import Step as Step
from cy_kernels.ring import flag_describe as flag_describe
from cy_kernels.ring import flag_format as flag_format
from cy_kernels.ring import flag_region_bytes as flag_region_bytes
from cy_kernels.ring import install_gate as install_gate
