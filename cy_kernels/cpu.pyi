"""What this CPU offers to whoever waits on memory: asked of the CPU itself."""

from typing import Dict, Optional, Tuple

from cy_kernels.cpuid import decode_leaves as decode_leaves
from cy_kernels.features import VARIABLE as VARIABLE
from cy_kernels.features import BadOverride as BadOverride
from cy_kernels.features import Features as Features
from cy_kernels.ladder import can_run as can_run
from cy_kernels.ladder import rung_of as rung_of

def features(override: Optional[str] = None) -> Features:
    """What this CPU offers; the CPU is asked once per process.

    `override`, else the variable SPINBED_CPU, is written as cy_kernels.features says, and asked for
    at each call; "" asks for neither. Raises BadOverride (a ValueError) and TypeError.

    Where nobody tells the counter's rate the first call measures it, for 1 ms.
    """

def calibrated_tsc_hz() -> int:
    """The counter's rate against CLOCK_MONOTONIC in Hz, measured now, for 1 ms; 0 on a machine
    whose counter is not known."""

def leaves() -> Dict[Tuple[int, int], Tuple[int, int, int, int]]:
    """The CPUID leaves that features() is decided by, as {(leaf, subleaf): (eax, ebx, ecx, edx)}:
    to be recorded, and told decode_leaves elsewhere. {} on another machine than x86-64."""
