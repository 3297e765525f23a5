"""The kernels' own inline functions are the instructions they are called, operands included."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Iterator

import pytest
from trapped import Shared, ended

from cy_kernels import cpu, trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="waiting", ext_modules=cythonize(
    [Extension("waiting", ["waiting.pyx"], define_macros={macros!r},
               extra_compile_args=["-O2", "-g0"])],
    include_path=[{root!r}],
    compiler_directives={{"language_level": 3}}), script_args=["-q", "build_ext", "--inplace"])
"""
SOON = 100_000
TIMER = 2
C01 = 1  # of the two that WAITPKG offers the one that wakes sooner


def built(folder: Path, macros: list[tuple[str, str]]) -> ModuleType:
    (folder / "waiting.pyx").write_bytes((ROOT / "tests/op_sets/waiting.pyx").read_bytes())
    code = BUILD.format(root=str(ROOT), macros=macros)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    path = next(folder.glob("waiting*.so"))
    spec = importlib.util.spec_from_file_location("waiting", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return built(tmp_path_factory.mktemp("marked"), [("SPINBED_UD2_MARKERS", "1")])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return built(tmp_path_factory.mktemp("bare"), [])


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared()
    trap.install(made.block, limit_cycles=0)
    yield made
    trap.uninstall()


def test_the_pair_of_amd_has_its_timer_where_the_manual_says(
    marked: ModuleType, shared: Shared
) -> None:
    marked.monitorx(shared.line + 8)
    marked.mwaitx(TIMER, SOON)
    assert shared.seen("monitorx") == {
        "emulated": 1, "reserved": 0, "address": shared.line + 8, "extensions": 0}  # fmt: skip
    seen = shared.seen("mwaitx")
    assert (seen["extensions"], seen["cycles"], seen["unbounded"]) == (TIMER, SOON, 0)
    assert (seen["control"], seen["reserved"]) == (0, 0)  # C1
    assert ended(shared.state()) == {"deadline": 1}


def test_the_trio_of_intel_has_its_deadline_in_two_halves(
    marked: ModuleType, shared: Shared
) -> None:
    marked.umonitor(shared.line + 8)
    assert shared.seen("umonitor")["address"] == shared.line + 8
    for wait, name in ((marked.umwait, "umwait"), (marked.tpause, "tpause")):
        deadline = marked.tsc() + SOON
        assert wait(deadline) == 0
        assert marked.tsc() >= deadline
        seen = shared.seen(name)
        assert (seen["deadline"], seen["control"], seen["reserved"]) == (deadline, C01, 0)


def test_the_carry_is_that_of_the_limit(marked: ModuleType, shared: Shared) -> None:
    trap.limit(shared.block, SOON)
    marked.umonitor(shared.line)
    assert marked.umwait(2**63) == 1
    assert marked.tpause(2**63) == 1
    assert marked.tpause(0) == 0


def test_a_store_between_arming_and_waiting_ends_the_wait(
    marked: ModuleType, shared: Shared
) -> None:
    marked.monitorx(shared.line)
    shared.store(1)
    marked.mwaitx(0, 0)
    marked.umonitor(shared.line)
    shared.store(2)
    assert marked.umwait(2**63) == 0
    assert ended(shared.state()) == {"change": 2}


def test_without_markers_they_trap_where_the_cpu_lacks_them(
    bare: ModuleType, shared: Shared
) -> None:
    features = cpu.features("")
    bare.umonitor(shared.line)
    bare.umwait(bare.tsc() + SOON)
    bare.tpause(bare.tsc() + SOON)
    emulated = [shared.seen(name)["emulated"] for name in ("umonitor", "umwait", "tpause")]
    assert emulated == [int(not features.waitpkg)] * 3
