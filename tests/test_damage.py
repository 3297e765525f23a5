"""Each way to break an extension does, on each interpreter, what the table of outcomes states."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from broken_extensions import (
    AT_A_CALL,
    HOWS,
    OWN,
    VERSIONS,
    compiled,
    skip_what_this_host_cannot,
    started,
)

import cy_kernels
from sim.live import damage
from sim.live.damage import OUTCOMES, break_file, expected, file_of, private_copy
from sim.live.import_trial import try_import

WATCHDOG_S = 60
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
EVERY_WAY = pytest.mark.parametrize("how", HOWS, ids=lambda how: str(how))


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return tmp_path / "entry"


def broken(path: Path, module: str, how: damage.How, version: str, entry: Path) -> None:
    """Breaks it, imports it, and compares all that the table says."""
    kind, argument = damage.parsed(how)
    skip_what_this_host_cannot(kind)
    outcome = expected(path, how)
    evidence = break_file(path, how, folder=entry)
    assert evidence["proven"], evidence
    python = started(version).executable
    trial = try_import(module, python=[python], path=[entry], launch=evidence["launch"])
    values = {"path": str(path), "module": module, "last": module.split(".")[-1]}
    told = outcome.told({**values, "argument": str(argument)})
    assert str(trial) == told, trial
    assert (trial.exception, trial.signal) == (outcome.exception, outcome.signal)
    is_caused = tuple(map(int, version.split("."))) >= outcome.cause_since
    assert trial.cause == (outcome.cause if is_caused else None)


# On each interpreter, with an extension of its own


@EVERY_WAY
@EVERY_VERSION
def test_every_kind_gives_on_each_interpreter_what_the_table_states(
    version: str, how: damage.How, entry: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    private_copy(compiled(version, tmp_path_factory), entry)
    broken(entry / "constants.so", "constants", how, version, entry)


@EVERY_VERSION
def test_the_undamaged_copy_loads(
    version: str, entry: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    private_copy(compiled(version, tmp_path_factory), entry)
    trial = try_import("constants", python=[started(version).executable], path=[entry])
    assert trial.is_imported and str(trial) == "imported"


@EVERY_VERSION
def test_a_file_that_is_cut_after_it_was_loaded_kills_at_the_next_call(
    version: str, entry: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    private_copy(compiled(version, tmp_path_factory), entry)
    python = started(version).executable
    cut_while_loaded(entry / "constants.so", "constants", "say_true", python, entry)


def cut_while_loaded(path: Path, module: str, function: str, python: str, entry: Path) -> None:
    code = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nimport {module}\n"
    code += f"{module}.{function}(); print('called', flush=True); input(); {module}.{function}()"
    with subprocess.Popen(
        [python, "-c", code],
        env={**os.environ, "PYTHONPATH": str(entry)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "called\n"
        evidence = break_file(path, AT_A_CALL, folder=entry)
        assert evidence["proven"] and evidence["data"]["when"] == "after_load"
        process.communicate("\n", timeout=WATCHDOG_S)
    outcome = OUTCOMES[AT_A_CALL].signal
    assert outcome is not None and process.returncode == -outcome


@EVERY_VERSION
def test_bound_lazily_an_undefined_symbol_ends_the_process(
    version: str, entry: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    private_copy(compiled(version, tmp_path_factory), entry)
    path = entry / "constants.so"
    break_file(path, "undefined_symbol", folder=entry)
    python = [started(version).executable]
    trial = try_import("constants", python=python, path=[entry], dlopen_flags=os.RTLD_LAZY)
    assert trial.status == 127
    assert f"symbol lookup error: {path}: undefined symbol: spinbed_gone" in trial.stderr


# On the product's own kernels, which Cython made, in their package


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private copy of the package, with one of its files, as most of their bytes show no more."""
    if cy_kernels.status().kind == "pure":
        pytest.skip("needs compiled kernels")
    whole = Path(cy_kernels.__file__).parent
    lean = tmp_path_factory.mktemp("lean") / "cy_kernels"
    lean.mkdir()
    for path in [*whole.glob("*.py"), file_of("cy_kernels.clock", whole.parent)]:
        shutil.copy(path, lean)
    # Not what somebody else is just byte-compiling.
    shutil.copytree(whole / "pure", lean / "pure", ignore=shutil.ignore_patterns("*.pyc.*"))
    yield lean
    shutil.rmtree(lean)


@EVERY_WAY
def test_every_kind_breaks_a_kernel_as_the_table_states(
    how: damage.How, kernels: Path, entry: Path
) -> None:
    private_copy(kernels, entry)
    path = file_of("cy_kernels.clock", entry)
    broken(path, "cy_kernels.clock", how, OWN, entry)


def test_a_kernel_that_is_cut_while_it_is_loaded_kills(kernels: Path, entry: Path) -> None:
    private_copy(kernels, entry)
    path = file_of("cy_kernels.clock", entry)
    cut_while_loaded(path, "cy_kernels.clock", "monotonic_ns", sys.executable, entry)


def test_a_private_copy_of_a_kernel_loads_from_where_it_is(kernels: Path, entry: Path) -> None:
    assert private_copy(kernels, entry) == entry
    path = file_of("cy_kernels.clock", entry)
    code = "import cy_kernels.clock as it; print(it.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(entry)},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )
    assert done.stdout == f"{path}\n", done.stderr
    with pytest.raises(FileExistsError):
        private_copy(kernels, entry)


def test_every_kernel_can_be_given_an_initialiser(entry: Path) -> None:
    """Small and large, with and without version tables: what a linker does differently."""
    if cy_kernels.status().kind == "pure":
        pytest.skip("needs compiled kernels")
    skip_what_this_host_cannot("init_raises")
    files = sorted(Path(cy_kernels.__file__).parent.glob("*.so"))
    assert len(files) >= 5
    for file in files:
        private_copy(file, entry)
        break_file(entry / file.name, "init_raises", folder=entry)
        module = file.name.split(".")[0]
        trial = try_import(module, python=[sys.executable], path=[entry])
        assert str(trial) == f"RuntimeError: {damage.damage_elf.RAISED}", (module, trial)
