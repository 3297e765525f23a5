"""What the leaves of an x86-64 CPU's CPUID instruction say to whoever waits; executes nothing.

    leaf           what is read of it
    0              the largest basic leaf; beyond it a CPU may answer with anything
    1              ECX[31]: under a hypervisor
    5              smallest (EAX) and largest (EBX) line that is monitored, bytes
    7              ECX[5]: WAITPKG
    15h, 16h       the rate of the TSC, by way of the crystal's or of the core's
    40000010h      the rate of the TSC in kHz, from the hypervisors that are known to say so there
    80000001h      ECX[29]: MONITORX
    80000007h      EDX[8]: invariant TSC

Sources: AMD64 Architecture Programmer's Manual vol. 3, appendix E; Intel SDM vol. 2, "CPUID";
Linux, Documentation/virt/kvm/x86/cpuid.rst, for the range of the hypervisors.
"""

from __future__ import annotations

from typing import Callable, Dict, Mapping, Tuple

from cy_kernels.features import X86, Features

Registers = Tuple[int, int, int, int]  # EAX, EBX, ECX, EDX
Leaves = Mapping[Tuple[int, int], Registers]  # by (leaf, subleaf)

HYPERVISOR_LEAF = 0x40000000
EXTENDED_LEAF = 0x80000000
TSC_KHZ_LEAF = HYPERVISOR_LEAF + 0x10
BASIC = (1, 5, 7, 0x15, 0x16)
EXTENDED = (EXTENDED_LEAF + 1, EXTENDED_LEAF + 7)

UNDER_HYPERVISOR = 1 << 31  # 1, ECX
WAITPKG = 1 << 5  # 7, ECX
MONITORX = 1 << 29  # 8000_0001h, ECX
INVARIANT_TSC = 1 << 8  # 8000_0007h, EDX
LINE_MASK = 0xFFFF  # 5, EAX and EBX; the rest is reserved
# Those whose leaf 4000_0010h is the TSC's rate: EBX, ECX and EDX of leaf 4000_0000h.
TELL_TSC_KHZ = (b"KVMKVMKVM\0\0\0", b"VMwareVMware")

NOTHING = (0, 0, 0, 0)


def read_leaves(cpuid: Callable[[int, int], Registers]) -> Dict[Tuple[int, int], Registers]:
    """The leaves that decode_leaves looks at, as `cpuid(leaf, subleaf)` answers: to be recorded."""
    leaves = {(leaf, 0): cpuid(leaf, 0) for leaf in (0, EXTENDED_LEAF)}
    for wanted in (BASIC, EXTENDED):
        for leaf in wanted:
            if leaf <= _largest(leaves, leaf):
                leaves[leaf, 0] = cpuid(leaf, 0)
    if _is_guest(leaves):
        leaves[HYPERVISOR_LEAF, 0] = cpuid(HYPERVISOR_LEAF, 0)
        if TSC_KHZ_LEAF <= _largest(leaves, TSC_KHZ_LEAF):
            leaves[TSC_KHZ_LEAF, 0] = cpuid(TSC_KHZ_LEAF, 0)
    return leaves


def decode_leaves(leaves: Leaves) -> Features:
    """The features of the CPU that answered so. A leaf beyond its range's largest counts for
    nothing, whatever it holds; tsc_hz is 0 where no leaf tells the rate."""
    tsc_hz, tsc_source = _tsc_rate(leaves)
    smallest, largest, _, _ = _leaf(leaves, 5)
    return Features(
        machine=X86,
        monitorx=bool(_leaf(leaves, EXTENDED_LEAF + 1)[2] & MONITORX),
        waitpkg=bool(_leaf(leaves, 7)[2] & WAITPKG),
        monitor_line_min_bytes=smallest & LINE_MASK,
        monitor_line_max_bytes=largest & LINE_MASK,
        invariant_tsc=bool(_leaf(leaves, EXTENDED_LEAF + 7)[3] & INVARIANT_TSC),
        tsc_hz=tsc_hz,
        tsc_source=tsc_source,
        source="CPUID",
    )


def _largest(leaves: Leaves, leaf: int) -> int:
    """The largest leaf of this leaf's range. On Intel a larger one repeats some other leaf."""
    first = leaf & 0xC0000000
    largest = leaves.get((first, 0), NOTHING)[0]
    return largest if largest & 0xC0000000 == first else 0


def _leaf(leaves: Leaves, leaf: int) -> Registers:
    return leaves.get((leaf, 0), NOTHING) if leaf <= _largest(leaves, leaf) else NOTHING


def _is_guest(leaves: Leaves) -> bool:
    return bool(_leaf(leaves, 1)[2] & UNDER_HYPERVISOR)


def _tsc_rate(leaves: Leaves) -> Tuple[int, str]:
    """Hz and who says so. The guest's own rate first: leaf 15h may be the host's, and another."""
    if _is_guest(leaves):
        _, *name = _leaf(leaves, HYPERVISOR_LEAF)
        khz = _leaf(leaves, TSC_KHZ_LEAF)[0]
        if khz and b"".join(word.to_bytes(4, "little") for word in name) in TELL_TSC_KHZ:
            return khz * 1000, "hypervisor leaf 40000010h"
    denominator, numerator, crystal_hz, _ = _leaf(leaves, 0x15)
    if denominator and numerator and crystal_hz:
        return crystal_hz * numerator // denominator, "CPUID 15h"
    mhz = _leaf(leaves, 0x16)[0] & 0xFFFF
    if denominator and numerator and mhz and not _is_guest(leaves):
        # The crystal's rate is not told, but the TSC then runs at the core's base frequency.
        return mhz * 1_000_000, "CPUID 16h"
    return 0, ""
