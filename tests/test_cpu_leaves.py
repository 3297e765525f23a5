"""What the leaves of real CPUs, the kernel's text and Arm's registers are taken to mean."""

from __future__ import annotations

import struct

import pytest
from recorded_cpus import ALDER_LAKE, EPYC_GUEST, EPYC_GUEST_CPUINFO, NEOVERSE_N1, ZEN_3, Leaves

from cy_kernels.cpuid import decode_leaves, read_leaves
from cy_kernels.features import Features
from cy_kernels.hwcap import AT_HWCAP, AT_HWCAP2, HWCAP2_WFXT, HWCAP_EVTSTRM, decode_hwcap
from cy_kernels.pure.cpu import decode_auxv, decode_cpuinfo

GUEST = 1 << 31  # leaf 1, ECX
KVM = (0x4B4D564B, 0x564B4D56, 0x0000004D)
HYPER_V = (0x7263694D, 0x666F736F, 0x76482074)


def with_tsc_khz(hypervisor: tuple[int, int, int], *, largest: int = 0x40000010) -> Leaves:
    leaves = {**ALDER_LAKE}
    eax, ebx, ecx, edx = leaves[1, 0]
    leaves[1, 0] = (eax, ebx, ecx | GUEST, edx)
    leaves[0x40000000, 0] = (largest, *hypervisor)
    leaves[0x40000010, 0] = (2_500_000, 0, 0, 0)
    return leaves


def only(register: int, value: int) -> tuple[int, int, int, int]:
    eax, ebx, ecx, edx = (value if index == register else 0 for index in range(4))
    return eax, ebx, ecx, edx


def test_zen_3_has_monitorx_and_a_tsc_whose_rate_no_leaf_tells() -> None:
    assert decode_leaves(ZEN_3) == Features(
        machine="x86_64",
        monitorx=True,
        monitor_line_min_bytes=64,
        monitor_line_max_bytes=64,
        invariant_tsc=True,
        source="CPUID",
    )


def test_alder_lake_has_waitpkg_and_a_tsc_of_its_crystal() -> None:
    assert decode_leaves(ALDER_LAKE) == Features(
        machine="x86_64",
        waitpkg=True,
        monitor_line_min_bytes=64,
        monitor_line_max_bytes=64,
        invariant_tsc=True,
        tsc_hz=3_609_600_000,
        tsc_source="CPUID 15h",
        source="CPUID",
    )


def test_a_guest_that_is_shown_neither_has_neither() -> None:
    expected = Features(machine="x86_64", invariant_tsc=True, source="CPUID")
    assert decode_leaves(EPYC_GUEST) == expected


def test_the_smallest_and_the_largest_line_are_not_each_other() -> None:
    """EAX is the smallest, EBX the largest; the upper halves are reserved."""
    leaves = {**ZEN_3, (5, 0): (0xABCD0040, 0x12340080, 3, 0x11)}
    found = decode_leaves(leaves)
    assert (found.monitor_line_min_bytes, found.monitor_line_max_bytes) == (64, 128)


@pytest.mark.parametrize("register", range(4))
def test_monitorx_is_one_bit_of_one_register(register: int) -> None:
    """Bit 29 of ECX; of the others it means something else (of EDX, that the CPU knows 64 bits)."""
    for is_set in (False, True):
        answer = only(register, 1 << 29 if is_set else 0xFFFFFFFF ^ 1 << 29)
        found = decode_leaves({**EPYC_GUEST, (0x80000001, 0): answer})
        assert found.monitorx == (is_set and register == 2)


@pytest.mark.parametrize("register", range(4))
def test_waitpkg_is_one_bit_of_one_register(register: int) -> None:
    for is_set in (False, True):
        answer = only(register, 1 << 5 if is_set else 0xFFFFFFFF ^ 1 << 5)
        found = decode_leaves({**EPYC_GUEST, (7, 0): answer})
        assert found.waitpkg == (is_set and register == 2)


def test_the_bits_of_one_leaf_are_not_looked_for_in_another() -> None:
    everywhere = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    found = decode_leaves({**EPYC_GUEST, (7, 1): everywhere, (6, 0): everywhere})
    assert not found.waitpkg and not found.monitorx
    found = decode_leaves({**EPYC_GUEST, (0x80000008, 0): everywhere, (1, 1): everywhere})
    assert not found.waitpkg and not found.monitorx


def test_a_leaf_beyond_the_largest_counts_for_nothing() -> None:
    """An old Intel answers leaf 7 with its largest leaf, whose bit 5 says something else."""
    old = {**ALDER_LAKE, (0, 0): (5, *ALDER_LAKE[0, 0][1:])}
    found = decode_leaves(old)
    assert not found.waitpkg and found.tsc_hz == 0
    assert found.monitor_line_max_bytes == 64  # leaf 5 is within
    assert decode_leaves({**old, (0, 0): (4, 0, 0, 0)}).monitor_line_max_bytes == 0
    short = {**ZEN_3, (0x80000000, 0): (0x80000000, 0, 0, 0)}
    assert not decode_leaves(short).monitorx and not decode_leaves(short).invariant_tsc


def test_a_cpu_without_extended_leaves_has_none() -> None:
    """It answers 8000_0000h with a basic leaf, whose EAX is no largest extended one."""
    leaves = {**ZEN_3, (0x80000000, 0): (0x00000016, 0, 0, 0)}
    assert not decode_leaves(leaves).monitorx


def test_a_crystal_whose_rate_is_not_told_leaves_the_base_frequency() -> None:
    leaves = {**ALDER_LAKE, (0x15, 0): (2, 300, 0, 0)}
    found = decode_leaves(leaves)
    assert (found.tsc_hz, found.tsc_source) == (3_600_000_000, "CPUID 16h")


def test_the_base_frequency_says_nothing_of_a_tsc_that_the_crystal_does_not_drive() -> None:
    assert decode_leaves({**ALDER_LAKE, (0x15, 0): (0, 0, 0, 0)}).tsc_hz == 0
    assert decode_leaves({**ALDER_LAKE, (0x15, 0): (0, 188, 38_400_000, 0)}).tsc_hz == 0
    guest = {**with_tsc_khz(HYPER_V), (0x15, 0): (2, 300, 0, 0)}  # its TSC may be scaled
    assert decode_leaves(guest).tsc_hz == 0


@pytest.mark.parametrize("hypervisor", [KVM, (0x61774D56, 0x4D566572, 0x65726177)])
def test_a_hypervisor_that_tells_the_rate_is_believed_before_the_crystal(
    hypervisor: tuple[int, int, int],
) -> None:
    found = decode_leaves(with_tsc_khz(hypervisor))
    assert (found.tsc_hz, found.tsc_source) == (2_500_000_000, "hypervisor leaf 40000010h")


def test_that_leaf_of_another_hypervisor_or_beyond_its_largest_or_of_none_means_nothing() -> None:
    assert decode_leaves(with_tsc_khz(HYPER_V)).tsc_source == "CPUID 15h"
    for largest in (0x40000001, 0x16, 0x80000023):  # too small, or of another range
        assert decode_leaves(with_tsc_khz(KVM, largest=largest)).tsc_source == "CPUID 15h"
    bare = {**with_tsc_khz(KVM), (1, 0): ALDER_LAKE[1, 0]}
    assert decode_leaves(bare).tsc_source == "CPUID 15h"


@pytest.mark.parametrize("recorded", [ZEN_3, ALDER_LAKE, EPYC_GUEST, with_tsc_khz(KVM)])
def test_only_leaves_within_their_range_are_asked_for(recorded: Leaves) -> None:
    asked: list[int] = []

    def cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        asked.append(leaf)
        return recorded[leaf, subleaf]

    assert read_leaves(cpuid) == recorded
    assert len(asked) == len(set(asked)) == len(recorded)


def test_the_text_of_linux_means_what_its_first_cpu_says() -> None:
    found = decode_cpuinfo(EPYC_GUEST_CPUINFO)
    assert found == Features(
        machine="x86_64",
        invariant_tsc=True,
        tsc_hz=2_596_150_000,
        tsc_source="bogomips of /proc/cpuinfo",
        source="/proc/cpuinfo",
    )
    second = EPYC_GUEST_CPUINFO[EPYC_GUEST_CPUINFO.index("\n\n") :]
    found = decode_cpuinfo(second)
    assert (found.monitorx, found.waitpkg, found.invariant_tsc, found.tsc_hz) == (True, True, 0, 0)


@pytest.mark.parametrize("text", ["", "\n\n", "processor: 0\n", "no colon\n", "bogomips : 7\n"])
def test_a_text_without_flags_means_that_nothing_is_there(text: str) -> None:
    assert decode_cpuinfo(text) == Features(machine="x86_64", source="/proc/cpuinfo")


@pytest.mark.parametrize("flag", ["constant_tsc", "nonstop_tsc"])
def test_a_counter_that_stops_or_changes_its_pace_has_no_rate(flag: str) -> None:
    found = decode_cpuinfo(f"flags : tsc {flag}\nbogomips : 5192.30\n")
    assert (found.invariant_tsc, found.tsc_hz) == (False, 0)


def test_a_flag_is_a_whole_word() -> None:
    assert not decode_cpuinfo("flags : xmwaitx waitpkg2 mwait\n").monitorx
    assert not decode_cpuinfo("flags : xmwaitx waitpkg2 mwait\n").waitpkg


def test_neoverse_n1_waits_bounded_by_the_event_stream_and_has_no_wfet() -> None:
    found = decode_hwcap(**NEOVERSE_N1)
    assert (found.machine, found.wfe, found.evtstrm, found.wfxt) == ("aarch64", True, True, False)
    assert (found.monitor_line_min_bytes, found.monitor_line_max_bytes) == (64, 64)
    assert (found.tsc_hz, found.tsc_source) == (25_000_000, "CNTFRQ_EL0")
    assert found.invariant_tsc and not found.monitorx and not found.waitpkg


def test_each_bit_of_the_auxiliary_vector_is_its_own() -> None:
    assert (HWCAP_EVTSTRM, HWCAP2_WFXT) == (0x4, 0x8000_0000)  # <asm/hwcap.h>
    for hwcap, hwcap2, evtstrm, wfxt in (
        (HWCAP_EVTSTRM, 0, True, False),
        (~HWCAP_EVTSTRM, 0, False, False),
        (0, HWCAP2_WFXT, False, True),
        (~HWCAP_EVTSTRM, ~HWCAP2_WFXT, False, False),
        (HWCAP2_WFXT, HWCAP_EVTSTRM, False, False),
    ):
        found = decode_hwcap(hwcap & (1 << 64) - 1, hwcap2 & (1 << 64) - 1)
        assert (found.evtstrm, found.wfxt) == (evtstrm, wfxt)


@pytest.mark.parametrize(
    ("granule", "smallest", "largest"), [(4, 64, 64), (6, 256, 256), (9, 2048, 2048), (0, 64, 2048)]
)
def test_the_granule_is_told_in_words_or_not_at_all(
    granule: int, smallest: int, largest: int
) -> None:
    found = decode_hwcap(0, 0, ctr_el0=0x80000004 | granule << 20)
    assert (found.monitor_line_min_bytes, found.monitor_line_max_bytes) == (smallest, largest)


def test_the_vector_of_a_process_is_pairs_of_words() -> None:
    pairs = [(6, 4096), (AT_HWCAP, HWCAP_EVTSTRM | 3), (AT_HWCAP2, HWCAP2_WFXT), (0, 0)]
    vector = b"".join(struct.pack("@2L", *pair) for pair in pairs)
    found = decode_auxv(vector)
    assert (found.evtstrm, found.wfxt, found.tsc_hz) == (True, True, 0)
    assert found.monitor_line_max_bytes == 0  # plain Python cannot read the register
    assert not decode_auxv(vector[:17]).evtstrm  # and a torn one says nothing
    assert not decode_auxv(b"").wfxt
