"""What Linux and the registers that it lets a process read say of an Arm CPU; executes nothing.

Source: Linux, Documentation/arch/arm64/elf_hwcaps.rst; Arm ARM, CTR_EL0 and CNTFRQ_EL0.
"""

from __future__ import annotations

from cy_kernels.features import ARM, Features

AT_HWCAP = 16
AT_HWCAP2 = 26
HWCAP_EVTSTRM = 1 << 2
HWCAP2_WFXT = 1 << 31
# CTR_EL0.ERG: log2 of the words of the largest granule that an exclusive load reserves. Where it
# is 0 nobody says; then 64 bytes are usual, and the architecture's limit is 512 words.
ERG_SHIFT = 20
WORD_BYTES = 4
GRANULE_USUAL_BYTES = 64
GRANULE_MAX_BYTES = 512 * WORD_BYTES


def decode_hwcap(hwcap: int, hwcap2: int, *, ctr_el0: int = 0, cntfrq_el0: int = 0) -> Features:
    """The features of an aarch64 CPU. A register that could not be read is 0, and so unknown."""
    granule = ctr_el0 >> ERG_SHIFT & 0xF
    if granule:
        smallest = largest = min(WORD_BYTES << granule, GRANULE_MAX_BYTES)
    elif ctr_el0:
        smallest, largest = GRANULE_USUAL_BYTES, GRANULE_MAX_BYTES
    else:
        smallest = largest = 0
    return Features(
        machine=ARM,
        wfe=True,  # Armv8-A has it, and Linux lets processes execute it
        wfxt=bool(hwcap2 & HWCAP2_WFXT),
        evtstrm=bool(hwcap & HWCAP_EVTSTRM),
        monitor_line_min_bytes=smallest,
        monitor_line_max_bytes=largest,
        invariant_tsc=True,  # the generic timer runs at one rate by architecture
        tsc_hz=cntfrq_el0,
        tsc_source="CNTFRQ_EL0" if cntfrq_el0 else "",
        source="auxiliary vector",
    )
