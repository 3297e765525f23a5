"""A switch keeps order and registers, in the assembly of each machine and in portable C."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from expected_skips import CROSS_COMPILER, EMULATOR, cannot_compile, cannot_cross_compile

ROOT = Path(__file__).resolve().parents[1]
WATCHDOG_S = 60
ORDER = "0 10 20 1 11 21 2 12 22 3 13 23 4 14 24"
# 3.25 doubled five times; and five rounds of value * 1.5 + round from 0.5, 1.5 and 2.5.
VALUES = "104 20.1719 27.7656 35.3594"


def printed(folder: Path, *compiler: str, run_by: tuple[str, ...] = ()) -> str:
    text = (ROOT / "cy_kernels/engine/fiber.pxi").read_text(encoding="utf-8").split('"""')[1]
    fibers = text.replace("\\\\", "\\")  # as Cython reads the string
    program = (ROOT / "tests/op_sets/fibers.c").read_text(encoding="utf-8")
    headers = "#define _GNU_SOURCE\n#include <stdint.h>\n#include <string.h>\n"
    (folder / "fibers.c").write_text(headers + fibers + program, encoding="utf-8")
    output = ("-O2", "-o", str(folder / "fibers"), str(folder / "fibers.c"))
    subprocess.run([*compiler, *output], check=True, timeout=WATCHDOG_S)
    ran = [*run_by, str(folder / "fibers")]
    return subprocess.run(
        ran, check=True, capture_output=True, text=True, timeout=WATCHDOG_S
    ).stdout.strip()


@pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")
@pytest.mark.parametrize("flags", [(), ("-DSPINBED_PORTABLE_FIBERS",)])
def test_fibers_of_this_machine(tmp_path: Path, flags: tuple[str, ...]) -> None:
    kind, _, rest = printed(tmp_path, "gcc", *flags).partition(" ")
    assert rest == f"{ORDER} {VALUES}"
    assert (kind == "portable") == bool(flags)


@pytest.mark.skipif(cannot_cross_compile(), reason="needs an aarch64 compiler and qemu-user")
def test_fibers_of_aarch64_in_an_emulator(tmp_path: Path) -> None:
    emulated = (EMULATOR, "-L", "/usr/aarch64-linux-gnu")
    assert printed(tmp_path, CROSS_COMPILER, run_by=emulated) == f"aarch64 {ORDER} {VALUES}"
