"""CPUID leaves and texts of /proc/cpuinfo as real CPUs gave them, recorded once."""

from __future__ import annotations

from typing import Dict, Tuple

Leaves = Dict[Tuple[int, int], Tuple[int, int, int, int]]

# AMD Ryzen 5 5600G (Zen 3): has MONITORX, and no leaf for the TSC's rate.
ZEN_3: Leaves = {
    (0x00000000, 0): (0x00000010, 0x68747541, 0x444D4163, 0x69746E65),
    (0x00000001, 0): (0x00A50F00, 0x060C0800, 0x7EF8320B, 0x178BFBFF),
    (0x00000005, 0): (0x00000040, 0x00000040, 0x00000003, 0x00000011),
    (0x00000007, 0): (0x00000000, 0x219C97A9, 0x0040068C, 0x00000010),
    (0x80000000, 0): (0x80000023, 0x68747541, 0x444D4163, 0x69746E65),
    (0x80000001, 0): (0x00A50F00, 0x20000000, 0x75C237FF, 0x2FD3FBFF),
    (0x80000007, 0): (0x00000000, 0x0000003B, 0x00000000, 0x00006799),
}
# Intel Core i7-12700K (Alder Lake): has WAITPKG, and a crystal of 38.4 MHz times 188 / 2.
ALDER_LAKE: Leaves = {
    (0x00000000, 0): (0x00000020, 0x756E6547, 0x6C65746E, 0x49656E69),
    (0x00000001, 0): (0x00090672, 0x00800800, 0x7FFAFBFF, 0xBFEBFBFF),
    (0x00000005, 0): (0x00000040, 0x00000040, 0x00000003, 0x10102020),
    (0x00000007, 0): (0x00000002, 0x239C27EB, 0x98C027BC, 0xFC1CC410),
    (0x00000015, 0): (0x00000002, 0x000000BC, 0x0249F000, 0x00000000),
    (0x00000016, 0): (0x00000E10, 0x00001388, 0x00000064, 0x00000000),
    (0x80000000, 0): (0x80000008, 0x00000000, 0x00000000, 0x00000000),
    (0x80000001, 0): (0x00000000, 0x00000000, 0x00000121, 0x2C100800),
    (0x80000007, 0): (0x00000000, 0x00000000, 0x00000000, 0x00000100),
}
# A guest of KVM on AMD EPYC (Zen 4), to which neither MONITORX nor a monitored line is shown.
EPYC_GUEST: Leaves = {
    (0x00000000, 0): (0x0000001C, 0x68747541, 0x444D4163, 0x69746E65),
    (0x00000001, 0): (0x00A10F11, 0x01020800, 0xFFFA3203, 0x178BFBFF),
    (0x00000005, 0): (0x00000000, 0x00000000, 0x00000000, 0x00000000),
    (0x00000007, 0): (0x00000001, 0xF1BF07AB, 0x00405FC6, 0x00000010),
    (0x00000015, 0): (0x00000000, 0x00000000, 0x00000000, 0x00000000),
    (0x00000016, 0): (0x00000000, 0x00000000, 0x00000000, 0x00000000),
    (0x40000000, 0): (0x40000001, 0x4B4D564B, 0x564B4D56, 0x0000004D),
    (0x80000000, 0): (0x80000021, 0x68747541, 0x444D4163, 0x69746E65),
    (0x80000001, 0): (0x00A10F11, 0x40000000, 0x004003F3, 0x2FD3FBFF),
    (0x80000007, 0): (0x00000000, 0x00000000, 0x00000000, 0x00000100),
}
# The same guest, as Linux tells of it; shortened to the lines and flags that matter.
EPYC_GUEST_CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
flags\t\t: fpu tsc msr mmxext rdtscp lm constant_tsc rep_good nopl nonstop_tsc cpuid monitor pni
bogomips\t: 5192.30
power management:

processor\t: 1
flags\t\t: mwaitx waitpkg
bogomips\t: 1.00

"""
# Neoverse N1: AT_HWCAP as the flags of which Linux tells there (fp to asimdrdm, lrcpc, dcpop,
# asimddp, ssbs), CTR_EL0 as read, and the rate of the timer, half of 50 bogomips.
NEOVERSE_N1 = {"hwcap": 0x10119FFF, "hwcap2": 0, "ctr_el0": 0x9444C00A, "cntfrq_el0": 25_000_000}
