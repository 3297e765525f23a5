"""The kernels on aarch64: their C runs in an emulator, and holds the instructions it should.

In user mode qemu executes WFE as nothing, so what runs here is every step of a wait but the
waiting; and WFET it does not know, so that is told by its disassembly. `make test-aarch64` runs
whole kernels, with an interpreter of that machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Iterator, Tuple

import pytest
from expected_skips import (
    CROSS_COMPILER,
    DISASSEMBLER,
    EMULATOR,
    cannot_compile,
    cannot_cross_compile,
    has_no_source_tree,
)

ROOT = Path(__file__).resolve().parents[1]
WATCHDOG_S = 240
# The ways that never sleep need both cores, or a scheduler quantum for each turn.
TURNS = {"park": 2000, "exclusive": 200, "yield": 200}
HEADERS = "#define _GNU_SOURCE\n#define SB_AT(ops, site) ((void)0)\n"
# The file, and which of its verbatim C texts.
TEXTS = (
    ("cy_kernels/clock.pxd", 0),
    ("cy_kernels/instructions.pxd", 0),
    ("cy_kernels/cpu.pyx", -1),
    ("cy_kernels/ops_real.pxi", 0),
    ("cy_kernels/ops_real.pxi", 1),
)
ENCODED = "d5031000"  # of `wfet x0`, as an assembler for Armv8.7 gives it

crossed = pytest.mark.skipif(
    cannot_cross_compile(), reason="needs an aarch64 compiler and qemu-user"
)


def verbatim(path: str, index: int) -> str:
    """C text as Cython reads it."""
    texts = re.findall(r'cdef extern from \*:\n    """\n(.*?)"""', (ROOT / path).read_text(), re.S)
    return str(texts[index]).replace("\\\\", "\\")


def built(folder: Path, *compiler: str) -> Path:
    source = HEADERS + "".join(verbatim(*text) for text in TEXTS)
    program = (ROOT / "tests/op_sets/waits.c").read_text(encoding="utf-8")
    (folder / "waits.c").write_text(source + program, encoding="utf-8")
    flags = ("-O2", "-Wall", "-Wno-unused-function", "-Werror", "-o", str(folder / "waits"))
    subprocess.run([*compiler, *flags, str(folder / "waits.c")], check=True, timeout=WATCHDOG_S)
    return folder / "waits"


def said(*command: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=WATCHDOG_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Tuple[str, ...]:
    program = built(tmp_path_factory.mktemp("aarch64"), CROSS_COMPILER)
    return (EMULATOR, "-L", "/usr/aarch64-linux-gnu", str(program))


@pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")
@pytest.mark.parametrize("mode", ["park", "yield"])
def test_two_processes_of_this_machine_hand_the_turn_over(tmp_path: Path, mode: str) -> None:
    """That the program itself is right, where nothing is emulated."""
    program = built(tmp_path, "gcc")
    assert said(program, mode, TURNS[mode]) == f"{TURNS[mode]} turns, waited"


@crossed
@pytest.mark.parametrize("mode", ["park", "exclusive", "yield"])
def test_two_processes_of_aarch64_hand_the_turn_over(emulated: Tuple[str, ...], mode: str) -> None:
    assert said(*emulated, mode, TURNS[mode]) == f"{TURNS[mode]} turns, waited"


@crossed
def test_the_counter_of_aarch64_runs_at_the_rate_that_its_register_tells(
    emulated: Tuple[str, ...],
) -> None:
    assert re.fullmatch(r"[1-9]\d+ Hz, 0 times back", said(*emulated, "counter", 0))


def functions(disassembly: str) -> Iterator[Tuple[str, str]]:
    """The name and the instructions of each."""
    for part in disassembly.split("\n\n"):
        name = re.match(r"[0-9a-f]+ <(.*)>:", part)
        if name is not None:
            yield name[1], part


@crossed
def test_wfet_is_encoded_as_an_assembler_that_knows_it_would(tmp_path: Path) -> None:
    (tmp_path / "wfet.s").write_text("wfet x0\nwfe\nldaxrb w1, [x2]\nyield\n")
    done = said(
        CROSS_COMPILER, "-march=armv8.7-a", "-c", "-o", tmp_path / "w.o", tmp_path / "wfet.s"
    )
    assert done == ""
    assert ENCODED in said(DISASSEMBLER, "-d", tmp_path / "w.o")
    program = built(
        tmp_path,
        CROSS_COMPILER,
        "-fno-inline",
        "-fkeep-inline-functions",
        "-fkeep-static-functions",
    )
    code = dict(functions(said(DISASSEMBLER, "-d", program)))
    assert re.search(rf"\s{ENCODED}\s+wfet\s+x0\b", code["sb_wfet"])
    assert re.search(r"\swfe\b", code["sb_wfe"])
    assert re.search(r"\sldaxrb\s+w\d+, \[x\d+\]", code["sb_arm_exclusive"])
    assert re.search(r"\syield\b", code["sb_pause"])
    assert re.search(r"\sisb\b.*cntvct_el0", code["sb_tsc"], re.S)


# What the rungs of each kernel are made of, beside x86-64's.
INSTRUCTIONS = {
    "cpu": (r"\bmrs\s+x\d+, cntfrq_el0", r"\bmrs\s+x\d+, ctr_el0", "cntvct_el0"),
    "ring": (r"\byield\b", r"\bldaxrb\b", r"\bwfe\b", rf"\b{ENCODED}\s+wfet\s"),
    "spinloop": (r"\byield\b", r"\bldaxrb\b", r"\bwfe\b", rf"\b{ENCODED}\s+wfet\s"),
}


# What takes a compiler the least and leaves a wait in the function that arms it.
FAST = ("-Og", "-finline-functions-called-once")


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's pyconfig.h includes one of another folder for each machine: this one's will do, as
    both are little-endian with 64-bit pointers."""
    folder = tmp_path_factory.mktemp("headers")
    mine = Path(sysconfig.get_config_h_filename())
    theirs = folder / "aarch64-linux-gnu" / mine.parent.name
    theirs.mkdir(parents=True)
    (theirs / mine.name).write_bytes(mine.read_bytes())
    return folder


@crossed
@pytest.mark.skipif(has_no_source_tree(), reason="the tests run without the source tree")
@pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")
@pytest.mark.parametrize("kernel", INSTRUCTIONS)
def test_a_kernel_of_aarch64_holds_the_instructions_of_its_rungs(
    tmp_path: Path, headers: Path, kernel: str
) -> None:
    source, code = tmp_path / f"{kernel}.c", tmp_path / f"{kernel}.o"
    cython = (sys.executable, "-m", "cython", "-3", "-I", ROOT, "-I", ROOT / "cy_kernels")
    assert said(*cython, "-o", source, ROOT / "cy_kernels" / f"{kernel}.pyx") == ""
    includes = (f"-I{sysconfig.get_path('include')}", f"-I{headers}")
    said(CROSS_COMPILER, *FAST, "-fPIC", "-c", *includes, "-o", code, source)
    disassembly = said(DISASSEMBLER, "-d", code)
    for instruction in INSTRUCTIONS[kernel]:
        assert re.search(instruction, disassembly), instruction
    for name, body in functions(disassembly):
        if re.search(r"\b(wfe|wfet)\b", body):
            assert "ldaxrb" in body, f"{name} waits for an event that it did not arm"
