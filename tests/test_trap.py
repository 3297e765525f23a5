"""The emulated instructions do what the manuals say, with the operands that they were given."""

from __future__ import annotations

import ctypes
import itertools
import random
from typing import Iterator

import machine_code as code
import pytest
from trapped import Shared, ended, outcome

from cy_kernels import cpu, trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

SOON = 100_000  # cycles, some 30 us
MUCH_LATER = 2**62
TIMER = 2


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared()
    trap.install(made.block, limit_cycles=0)
    yield made
    trap.uninstall()


def test_arming_is_counted_with_the_address_and_the_extensions(shared: Shared) -> None:
    code.umonitor(shared.line + 24)
    code.monitorx(shared.line + 72)
    assert shared.seen("umonitor")["address"] == shared.line + 24
    assert shared.seen("monitorx")["address"] == shared.line + 72
    assert shared.seen("umonitor")["emulated"] == shared.seen("monitorx")["emulated"] == 1
    code.monitorx(shared.line, 5)
    assert shared.seen("monitorx") == {
        "emulated": 2, "reserved": 1, "address": shared.line, "extensions": 5}  # fmt: skip
    assert shared.state()["armings"] == 3


def test_a_wait_is_counted_with_its_deadline_and_c_state(shared: Shared) -> None:
    for wait, name in ((code.umwait, "umwait"), (code.tpause, "tpause")):
        for control in (0, 1):
            deadline = code.tsc() + SOON
            assert wait(deadline, control) == 0
            seen = shared.seen(name)
            assert (seen["deadline"], seen["control"], seen["reserved"]) == (deadline, control, 0)
            assert 0 <= seen["cycles"] <= SOON
        wait(0, 2)
        assert (shared.seen(name)["reserved"], shared.seen(name)["control"]) == (1, 2)
        assert shared.seen(name)["emulated"] == 3
        assert 0 < shared.seen(name)["longest_cycles"] <= SOON


def test_mwaitx_is_counted_with_its_timer_and_what_has_none_is_told_apart(shared: Shared) -> None:
    code.mwaitx(SOON, TIMER, 0x10)
    assert shared.seen("mwaitx") == {
        "emulated": 1, "reserved": 0, "unbounded": 0, "cycles": SOON, "longest_cycles": SOON,
        "control": 0x10, "extensions": TIMER}  # fmt: skip
    code.mwaitx(SOON, 0)
    assert shared.seen("mwaitx")["unbounded"] == 1
    code.mwaitx(0, TIMER)  # the manual: a timer of 0 is none
    assert shared.seen("mwaitx")["unbounded"] == 2
    code.mwaitx(7, 4 | TIMER)
    assert (shared.seen("mwaitx")["reserved"], shared.seen("mwaitx")["unbounded"]) == (1, 2)
    assert shared.seen("mwaitx")["longest_cycles"] == SOON


def test_a_deadline_ends_a_wait_and_not_before(shared: Shared) -> None:
    hz = cpu.features("").tsc_hz
    assert hz > 0
    ahead = hz // 500  # 2 ms
    for arm, wait in ((True, code.umwait), (False, code.tpause)):
        if arm:
            code.umonitor(shared.line)
        deadline = code.tsc() + ahead
        assert wait(deadline) == 0
        assert code.tsc() >= deadline
    code.monitorx(shared.line)
    began = code.tsc()
    code.mwaitx(ahead)
    assert code.tsc() >= began + ahead
    assert ended(shared.state()) == {"deadline": 3}


def test_who_waits_with_nothing_armed_does_not_wait(shared: Shared) -> None:
    code.umwait(MUCH_LATER)
    code.mwaitx(0, 0)
    assert ended(shared.state()) == {"unarmed": 2}
    code.umonitor(shared.line)
    code.umwait(0)
    code.umwait(MUCH_LATER)  # a wait disarms
    assert ended(shared.state()) == {"unarmed": 3, "deadline": 1}
    assert shared.state()["waits"] == 1


def test_a_store_between_arming_and_waiting_is_noticed(shared: Shared) -> None:
    code.umonitor(shared.line + 8)
    shared.store(1, 56)  # anywhere on the line
    code.umwait(MUCH_LATER)
    assert ended(shared.state()) == {"change": 1}
    code.monitorx(shared.line + 63)
    shared.store(2)
    code.mwaitx(0, 0)
    assert ended(shared.state()) == {"change": 2}


def test_a_store_to_another_line_is_not_noticed(shared: Shared) -> None:
    for offset in (64, -8):
        code.umonitor(shared.line + 64 - 64 * (offset > 0))
        shared.store(1, offset if offset > 0 else 56)
        code.umwait(code.tsc() + SOON)
    assert ended(shared.state()) == {"deadline": 2}


def test_the_line_is_as_long_as_it_was_said_to_be() -> None:
    shared = Shared()
    trap.install(shared.block, line_bytes=128, limit_cycles=0)
    try:
        code.umonitor(shared.line)
        shared.store(1, 120)
        code.umwait(MUCH_LATER)
        assert ended(shared.state()) == {"change": 1}
    finally:
        trap.uninstall()


WAKES = [
    ("code.umonitor(line); code.umwait(2**62)", "umwait"),
    ("code.monitorx(line); code.mwaitx(0, 0)", "mwaitx"),
    ("code.monitorx(line); code.mwaitx(2**32 - 1)", "mwaitx"),
]


@pytest.mark.parametrize(("waits", "instruction"), WAKES)
def test_a_store_of_another_process_wakes(waits: str, instruction: str) -> None:
    shared = Shared()
    child = shared.child(waits)
    shared.await_waiting()
    shared.store(1)
    assert outcome(child) == (0, "", "")
    assert ended(shared.state()) == {"change": 1}
    assert shared.seen(instruction)["emulated"] == 1


def test_the_limit_of_the_system_ends_a_wait_and_says_so(shared: Shared) -> None:
    trap.limit(shared.block, SOON)
    code.umonitor(shared.line)
    assert code.umwait(MUCH_LATER) == 1
    assert code.tpause(MUCH_LATER) == 1
    assert ended(shared.state()) == {"limit": 2}
    assert code.tpause(code.tsc() + 10) == 0  # its own deadline came first
    code.monitorx(shared.line)
    code.mwaitx(3 * SOON)  # which knows no such limit
    assert ended(shared.state()) == {"limit": 2, "deadline": 2}
    trap.limit(shared.block, 0)
    assert code.tpause(code.tsc() + 2 * SOON) == 0


def test_without_a_word_the_limit_is_that_of_linux() -> None:
    trap.install()
    try:
        began = code.tsc()
        assert code.tpause(MUCH_LATER) == 1
        assert code.tsc() - began >= trap.LIMIT_CYCLES == 100_000
    finally:
        trap.uninstall()


FLAGS = 0x8D5  # OF SF ZF AF PF CF


def test_a_wait_clears_the_other_flags(shared: Shared) -> None:
    # push rdi; popfq; xor eax, eax would set flags: eax and edx come in rsi and rdx.
    # mov eax, esi; push rdi; popfq; ud2; tpause ecx; pushfq; pop rax; ret
    flags_after = code.function(
        b"\x89\xf0\x57\x9d" + code.UD2 + b"\x66\x0f\xae\xf1\x9c\x58\xc3",
        *[ctypes.c_uint64] * 4,
        result=ctypes.c_uint64,
    )
    assert flags_after(FLAGS | 2, 0, 0, 1) & FLAGS == 0
    trap.limit(shared.block, 1)
    assert flags_after(FLAGS | 2, 0, 1 << 30, 1) & FLAGS == 1  # the carry


REGISTERS = [number for number in range(16) if number != 4]  # rsp would have to be put back


def moved_from_rdi(number: int) -> bytes:
    """mov r64, rdi"""
    return bytes([0x48 | number >> 3, 0x89, 0xF8 | number & 7])


@pytest.mark.parametrize("is_marked", [True, False])
def test_the_operand_may_be_in_any_register(shared: Shared, is_marked: bool) -> None:
    """Without a marker only where the CPU lacks the instruction."""
    is_ours = is_marked or not cpu.features("").waitpkg
    for number in REGISTERS:
        saved = bytes([0x41] * (number >> 3) + [0x50 | number & 7])
        restored = bytes([0x41] * (number >> 3) + [0x58 | number & 7])
        rex = b"\x41" if number > 7 else b""
        arm = b"\xf3" + rex + bytes([0x0F, 0xAE, 0xF0 | number & 7])
        body = saved + moved_from_rdi(number) + code.UD2 * is_marked + arm + restored
        code.function(body + code.RET, ctypes.c_uint64)(shared.line + number)
        if is_ours:
            assert shared.seen("umonitor")["address"] == shared.line + number
    assert shared.seen("umonitor")["emulated"] == len(REGISTERS) * is_ours


ENCODINGS = [
    (b"\xf3\x0f\xae\xf7", ("umonitor", 4, 7)),
    (b"\xf3\x41\x0f\xae\xf0", ("umonitor", 5, 8)),
    (b"\xf3\x48\x0f\xae\xf1", ("umonitor", 5, 1)),
    (b"\xf2\x0f\xae\xf1", ("umwait", 4, 1)),
    (b"\xf2\x4f\x0f\xae\xf7", ("umwait", 5, 15)),
    (b"\x66\x0f\xae\xf6", ("tpause", 4, 6)),
    (b"\x0f\x01\xfa", ("monitorx", 3, 0)),
    (b"\x0f\x01\xfb", ("mwaitx", 3, 0)),
]
OTHERS = {
    "mfence": b"\x0f\xae\xf0",
    "clwb [rax]": b"\x66\x0f\xae\x30",
    "clrssbsy [rax]": b"\xf3\x0f\xae\x30",
    "incsspd ecx": b"\xf3\x0f\xae\xe9",
    "a rex before the prefix": b"\x41\xf3\x0f\xae\xf0",
    "ud2": b"\x0f\x0b",
    "ud2 ud2 monitorx": b"\x0f\x0b\x0f\x0b\x0f\x01\xfa",
    "monitor": b"\x0f\x01\xc8",
    "rdtscp": b"\x0f\x01\xf9",
    "nothing": b"",
}


@pytest.mark.parametrize(("encoding", "found"), ENCODINGS)
def test_the_decoder_knows_each_instruction_and_no_part_of_it(
    encoding: bytes, found: tuple[str, int, int]
) -> None:
    name, length, register = found
    assert trap.decode(encoding + b"\xcc") == found
    assert trap.decode(code.UD2 + encoding) == (name, length + 2, register)
    for whole in (encoding, code.UD2 + encoding):
        assert [trap.decode(whole[:cut]) for cut in range(len(whole))] == [None] * len(whole)


@pytest.mark.parametrize("name", OTHERS)
def test_the_decoder_takes_nothing_else(name: str) -> None:
    assert trap.decode(OTHERS[name] + b"") is None


def decoded(at: bytes) -> tuple[str, int, int] | None:
    """The same, by looking every encoding up."""
    marker = len(code.UD2) if at.startswith(code.UD2) else 0
    rest = at[marker:]
    prefixes = {b"\xf3": "umonitor", b"\xf2": "umwait", b"\x66": "tpause"}
    for prefix, rex, register in itertools.product(prefixes, range(-1, 16), range(8)):
        extended = bytes([0x40 | rex]) if rex >= 0 else b""
        made = prefix + extended + bytes([0x0F, 0xAE, 0xF0 | register])
        if rest.startswith(made):
            number = register | (8 if rex >= 0 and rex & 1 else 0)
            return prefixes[prefix], marker + len(made), number
    for made, name in ((b"\x0f\x01\xfa", "monitorx"), (b"\x0f\x01\xfb", "mwaitx")):
        if rest.startswith(made):
            return name, marker + len(made), 0
    return None


def test_the_decoder_agrees_with_a_table_on_random_bytes() -> None:
    rolls = random.Random(20_240)
    likely = b"\x0f\x0b\xf3\xf2\x66\xae\x01\xfa\xfb\x41\x48\xf0\xf7\xf1\x30"
    kinds: dict[str, int] = {}
    for _ in range(12_000):
        size = rolls.randrange(9)
        made = bytes(
            rolls.choice(likely) if rolls.random() < 0.9 else rolls.randrange(256)
            for _ in range(size)
        )
        if rolls.random() < 0.3:
            encoding, _ = rolls.choice(ENCODINGS)
            made = rolls.choice((b"", code.UD2)) + encoding + made
            if rolls.random() < 0.5:
                spot = rolls.randrange(len(made))
                made = made[:spot] + bytes([rolls.randrange(256)]) + made[spot + 1 :]
        found = trap.decode(made)
        assert found == decoded(made), made.hex()
        if found is not None:
            kinds[found[0]] = kinds.get(found[0], 0) + 1
    assert set(kinds) == set(trap.INSTRUCTIONS) and min(kinds.values()) > 100
