"""What a damaged kernel does to a program that loads it where it is used, before and after."""

from __future__ import annotations

import importlib.util
import shutil
import signal
from pathlib import Path
from typing import Callable, Dict

import pytest
from subject_runs import Run, is_of_the_interpreter, mapped_bytes, program, subject

import cy_kernels

VARIANTS = ("before", "merged", "after", "after_plus")
WORK = {
    "met": True,
    "late": False,
    "raised": "'popitem(): dictionary is empty'",
    "asked": [1, 2, 3, -1],
}
TEXT = b"This is no shared object, but a text that is longer than an ELF header is.\n" * 2

# Damage that raises: what is done to the file, and the whole of what is raised but for its path.
RAISING: Dict[str, Callable[[bytes], bytes]] = {
    "file too short": lambda whole: b"",
    "invalid ELF header": lambda whole: TEXT,
    "cannot read file data": lambda whole: whole[:64],
}
KILLING: Dict[str, Callable[[bytes], bytes]] = {
    "at 4096 bytes": lambda whole: whole[:4096],
    # Half of the file may be past all that is mapped: what a debugger reads comes last.
    "at half of what is mapped": lambda whole: whole[: mapped_bytes(whole) // 2],
}


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """The compiled kernel in a copy of its package, which is found first from its folder on."""
    here = tmp_path / "cy_kernels"
    without = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(Path(cy_kernels.__file__).parent, here, ignore=without)
    for name in ("clock", "cpu", "spinloop"):  # the last one needs the other two
        spec = importlib.util.find_spec(f"cy_kernels.{name}")
        assert spec is not None and spec.origin is not None
        copy = shutil.copy(spec.origin, here)
    return Path(copy)


def run(variant: str, kernel: Path, **environment: str) -> Run:
    return subject("kernel_loader", variant, kernel.parents[1], **environment)


def warnings_in(done: Run) -> int:
    return done.err.count("could not be loaded")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sound_kernel_is_loaded_from_its_file_without_a_word(variant: str, kernel: Path) -> None:
    code = f"from sim.subjects.kernel_loader import {variant}; {variant}()\n"
    code += "import sys; print(sys.modules['cy_kernels.spinloop'].__file__, file=sys.stderr)"
    done = program(code, kernel.parents[1])
    assert done.err.strip() == str(kernel)
    assert done.result == {"variant": variant, "kind": "extension", "cause": None, "work": WORK}


def test_the_twin_does_the_same_work(kernel: Path) -> None:
    done = run("before", kernel, SUBJECT_EXTENSION="cy_kernels.pure.spinloop")
    assert done.result["work"] == WORK


def test_a_missing_kernel_ends_the_program_by_what_the_interpreter_raises(kernel: Path) -> None:
    kernel.unlink()
    done = run("before", kernel)
    assert done.error == "ModuleNotFoundError: No module named 'cy_kernels.spinloop'"
    assert is_of_the_interpreter(done.innermost)


@pytest.mark.parametrize("text", RAISING)
def test_an_unloadable_kernel_ends_the_program_by_what_the_interpreter_raises(
    text: str, kernel: Path
) -> None:
    kernel.write_bytes(RAISING[text](kernel.read_bytes()))
    done = run("before", kernel)
    assert done.error == f"ImportError: {kernel}: {text}"
    assert is_of_the_interpreter(done.innermost)


@pytest.mark.parametrize("variant", ["after", "after_plus"])
@pytest.mark.parametrize("text", RAISING)
def test_an_unloadable_kernel_costs_one_warning_that_names_the_cause(
    variant: str, text: str, kernel: Path
) -> None:
    kernel.write_bytes(RAISING[text](kernel.read_bytes()))
    done = run(variant, kernel)
    cause = f"ImportError: {kernel}: {text}"
    assert done.result == {"variant": variant, "kind": "fallback", "cause": cause, "work": WORK}
    assert warnings_in(done) == 1 and done.err.strip().endswith(cause)


@pytest.mark.parametrize("variant", ["after", "after_plus"])
def test_a_missing_kernel_costs_one_warning(variant: str, kernel: Path) -> None:
    kernel.unlink()
    done = run(variant, kernel)
    assert done.result["cause"] == "ModuleNotFoundError: No module named 'cy_kernels.spinloop'"
    assert done.result["work"] == WORK and warnings_in(done) == 1


def test_the_guard_that_was_merged_warns_without_the_cause(kernel: Path) -> None:
    kernel.write_bytes(TEXT)
    done = run("merged", kernel)
    assert done.result["kind"] == "fallback" and done.result["work"] == WORK
    assert warnings_in(done) == 1 and "ImportError" not in done.err
    assert done.err.endswith("could not be loaded, cy_kernels.pure.spinloop runs instead\n")


@pytest.mark.parametrize("variant", ["before", "after"])
@pytest.mark.parametrize("damage", KILLING)
def test_a_truncated_kernel_kills_a_program_whatever_it_catches(
    variant: str, damage: str, kernel: Path
) -> None:
    kernel.write_bytes(KILLING[damage](kernel.read_bytes()))
    done = run(variant, kernel)
    assert (done.status, done.out, done.err) == (-signal.SIGBUS, "", "")


@pytest.mark.parametrize("damage", KILLING)
def test_who_tries_first_survives_a_truncated_kernel(damage: str, kernel: Path) -> None:
    kernel.write_bytes(KILLING[damage](kernel.read_bytes()))
    done = run("after_plus", kernel)
    assert done.result["cause"] == "its import ended a process by SIGBUS"
    assert done.result["kind"] == "fallback" and done.result["work"] == WORK
    assert warnings_in(done) == 1 and "SIGBUS" in done.err


def test_a_trial_has_the_flags_of_the_program(kernel: Path) -> None:
    """-X faulthandler: what the interpreter says of its death becomes part of the cause."""
    kernel.write_bytes(kernel.read_bytes()[:4096])
    done = run("after_plus", kernel, PYTHONFAULTHANDLER="1")
    assert done.result["cause"].endswith("SIGBUS: Fatal Python error: Bus error")
    code = "import faulthandler, sys; sys._xoptions['faulthandler'] = True\n"
    code += "from sim.subjects.kernel_loader import after_plus; after_plus()"
    assert program(code, kernel.parents[1]).result["cause"] == done.result["cause"]


def test_that_all_kernels_are_required_changes_nothing_here(kernel: Path) -> None:
    """cy_kernels would load all of them at its import, and not at the place of use."""
    kernel.write_bytes(TEXT)
    assert run("after", kernel, SPINBED_REQUIRE_EXT="1").result["work"] == WORK


def test_a_path_that_only_the_program_has_is_that_of_its_trial(kernel: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(kernel.parents[1])!r})\n"
    code += "from sim.subjects.kernel_loader import after_plus; after_plus()"
    assert program(code).result["kind"] == "extension"
    kernel.write_bytes(kernel.read_bytes()[:4096])
    assert "SIGBUS" in program(code).result["cause"]


def test_nothing_is_tried_where_no_interpreter_is_known(kernel: Path) -> None:
    code = "import sys; sys.executable = ''\n"
    code += "from sim.subjects.kernel_loader import after_plus; after_plus()"
    done = program(code, kernel.parents[1])
    assert done.result["cause"] == "no interpreter is known to try it in"
    assert done.result["work"] == WORK


def test_what_cannot_be_tried_is_not_loaded(kernel: Path) -> None:
    code = "import sys; sys.executable = '/dev/null'\n"
    code += "from sim.subjects.kernel_loader import after_plus; after_plus()"
    done = program(code, kernel.parents[1])
    assert done.result["cause"].startswith("it could not be tried: [Errno 13]")


THREADS = """
import json, logging, threading, sim.subjects.kernel_loader as loader

tries = []
try_it = loader._try
loader._try = lambda *given: (tries.append(1), try_it(*given))[1]
start = threading.Barrier(4)
found = []

def load():
    start.wait()
    found.append(loader.load(loader.by_trying_first))

threads = [threading.Thread(target=load) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
raced = len(tries)
loader.load(loader.by_trying_first)
print(json.dumps([len({id(each) for each in found}), 1 <= raced <= 4, len(tries) - raced]))
print(loader.extension_is_enabled)
"""


def test_threads_that_race_through_the_first_load_warn_once_and_nobody_tries_again(
    kernel: Path,
) -> None:
    kernel.write_bytes(kernel.read_bytes()[:4096])
    done = program(THREADS, kernel.parents[1])
    assert done.status == 0, done.err
    assert done.out.split("\n")[:2] == ["[1, true, 0]", "False"] and warnings_in(done) == 1


def test_the_flag_is_up_where_the_kernel_is_loaded(kernel: Path) -> None:
    done = program(THREADS, kernel.parents[1])
    assert done.out.split("\n")[:2] == ["[1, true, 0]", "True"] and done.err == ""
