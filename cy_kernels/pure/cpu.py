"""What this CPU offers to whoever waits on memory: as Linux tells it, in text.

Plain Python executes none of these instructions; that it knows of them is for whoever asks which
rungs this host has. Two things it cannot know: the size of a monitored line, which is told as
unknown, and a rate of the counter that the kernel did not take from the counter itself.
"""

from __future__ import annotations

import os
import re
import struct
from typing import Dict, Optional

from cy_kernels.cpuid import decode_leaves
from cy_kernels.features import ARM, VARIABLE, X86, BadOverride, Features, overridden
from cy_kernels.hwcap import AT_HWCAP, AT_HWCAP2, decode_hwcap
from cy_kernels.ladder import can_run, rung_of

__all__ = [
    "VARIABLE",
    "BadOverride",
    "Features",
    "can_run",
    "decode_auxv",
    "decode_cpuinfo",
    "decode_leaves",
    "features",
    "rung_of",
]

CPUINFO = "/proc/cpuinfo"
AUXV = "/proc/self/auxv"
BOGOMIPS = re.compile(r"[0-9]{1,6}\.[0-9]{2}")

_found: Dict[str, Features] = {}


def features(override: Optional[str] = None) -> Features:
    """What this CPU offers; Linux is asked once per process.

    `override`, else the variable SPINBED_CPU, is written as cy_kernels.features says, and asked for
    at each call; "" asks for neither. Raises BadOverride (a ValueError) and TypeError.
    """
    if "cpu" not in _found:
        _found.setdefault("cpu", _ask(os.uname().machine))
    return overridden(_found["cpu"], override)


def decode_cpuinfo(text: str) -> Features:
    """The features of the x86-64 CPU of which Linux prints so in /proc/cpuinfo."""
    fields: Dict[str, str] = {}
    for line in text.splitlines():
        if line.strip():
            key, _, value = line.partition(":")
            fields[key.strip()] = value.strip()
        elif fields:
            break  # the first CPU speaks for all
    flags = set(fields.get("flags", "").split())
    is_invariant = {"constant_tsc", "nonstop_tsc"} <= flags
    tsc_hz = 0
    if is_invariant:
        # Twice what a loop would take: of such a counter the kernel skips the loop and tells this.
        found = BOGOMIPS.fullmatch(fields.get("bogomips", ""))
        tsc_hz = round(float(found[0]) * 1_000_000 / 2) if found else 0
    return Features(
        machine=X86,
        monitorx="mwaitx" in flags,
        waitpkg="waitpkg" in flags,
        invariant_tsc=is_invariant,
        tsc_hz=tsc_hz,
        tsc_source=f"bogomips of {CPUINFO}" if tsc_hz else "",
        source=CPUINFO,
    )


def decode_auxv(vector: bytes) -> Features:
    """The features of the aarch64 CPU whose processes get this auxiliary vector."""
    pair = struct.Struct("@2L")
    whole = vector[: len(vector) // pair.size * pair.size]
    entries = dict(pair.iter_unpack(whole))
    return decode_hwcap(entries.get(AT_HWCAP, 0), entries.get(AT_HWCAP2, 0))


def _ask(machine: str) -> Features:
    if machine == X86:
        return decode_cpuinfo(_first_cpu())
    if machine == ARM:
        return decode_auxv(_own_vector())
    return Features(machine, source="nothing is known of this machine")


# A container may hide either file: nothing is known then, and nothing assumed.
def _own_vector() -> bytes:
    try:
        with open(AUXV, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _first_cpu() -> str:
    """Up to the first blank line: of the many CPUs of a big machine the rest takes a while."""
    lines = []
    try:
        with open(CPUINFO, encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip():
                    break
                lines.append(line)
    except OSError:
        return ""
    return "".join(lines)
