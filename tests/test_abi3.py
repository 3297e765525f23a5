"""The stable-ABI wheel in small: one kernel built once, loaded by every interpreter of this host.

The whole wheel is for `make abi3` (tests/abi3_wheel.py), which takes minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from functools import cache
from pathlib import Path

import abi3_wheel
import pytest
import setuptools

from sim.live.interpreters import Interpreter, Lack, find

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 300  # a watchdog
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "spinbed.py")
# The kernel that is loaded first, and so the one that an old interpreter fails on.
FIRST = "clock"
SHORT = "def answer():\n    return [True, False, None]\n"

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
    ),
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 11), reason="only CPython 3.11 builds abi3 wheels"
    ),
]


@cache
def interpreter(version: str) -> Interpreter:
    there = find(version)
    if isinstance(there, Lack):
        pytest.skip(f"this host has no Python {version}")
    return there


def clone_with_one_kernel(target: Path) -> Path:
    """Two kernels, in truth: a short one, and the one whose name comes first to be loaded."""
    target.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, target)
    built = shutil.ignore_patterns("*.so", "__pycache__", "_build_note.txt", "*.pyx", "*.pxi")
    shutil.copytree(ROOT / "cy_kernels", target / "cy_kernels", ignore=built)
    for name in (FIRST, "short"):
        (target / f"cy_kernels/{name}.pxd").unlink(missing_ok=True)
        (target / f"cy_kernels/{name}.pyx").write_text(SHORT)
    return target


def build(
    clone: Path, python: str = sys.executable, **changes: str
) -> subprocess.CompletedProcess[str]:
    dropped = ("SPINBED_REQUIRE_EXT", "SPINBED_PURE", "PYTHONPATH", "CC", "CFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [python, "setup.py", "-q", "bdist_wheel", "--dist-dir", "dist"],
        cwd=clone,
        env={**kept, "SPINBED_ABI3": "1", **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("needs gcc and Python.h")
    made = clone_with_one_kernel(tmp_path_factory.mktemp("abi3") / "clone")
    done = build(made)
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture(scope="module")
def wheel(clone: Path) -> Path:
    [built] = (clone / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_the_wheel_is_tagged_for_every_cpython_from_3_11_on(wheel: Path) -> None:
    assert re.search(r"-cp311-abi3-linux_\w+\.whl$", wheel.name), wheel.name
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    assert sorted(names) == [f"cy_kernels/{FIRST}.abi3.so", "cy_kernels/short.abi3.so"]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_one_build_loads_from_3_11_on(unpacked: Path, version: str) -> None:
    script = "from cy_kernels import short; print(short.__file__, *short.answer())"
    done = abi3_wheel.loaded(interpreter(version), unpacked, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        *(str(unpacked / "cy_kernels/short.abi3.so"), "True", "False", "None")
    ]


@pytest.mark.parametrize("version", ["3.9", "3.10"])
def test_an_older_interpreter_runs_pure_and_names_the_cause_once(
    unpacked: Path, version: str
) -> None:
    done = abi3_wheel.loaded(interpreter(version), unpacked, abi3_wheel.DEGRADES)
    assert done.returncode == 0, done.stderr


def test_the_check_of_old_interpreters_fails_where_kernels_load(unpacked: Path) -> None:
    done = abi3_wheel.loaded(interpreter("3.11"), unpacked, abi3_wheel.DEGRADES)
    assert done.returncode == 1 and "AssertionError" in done.stderr


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_headers_of_another_version_are_refused_by_name(
    clone: Path, tmp_path: Path, version: str
) -> None:
    tools = Path(setuptools.__file__).parent.parent
    for name in ("setuptools", "_distutils_hack"):
        (tmp_path / name).symlink_to(tools / name)
    done = build(clone, interpreter(version).executable, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert "SPINBED_ABI3=1 builds with the headers of CPython 3.11 alone" in last
    assert f"This is cpython {interpreter(version).version}." in last


def test_a_wheel_for_every_interpreter_is_never_pure(tmp_path: Path) -> None:
    done = build(clone_with_one_kernel(tmp_path / "clone"), CC="/bin/false")
    assert done.returncode == 1
    assert "the kernels were not compiled, and SPINBED_ABI3=1" in done.stdout
    assert not list((tmp_path / "clone").glob("dist/*.whl"))


def test_a_wheel_has_nothing_of_the_other_abi_from_a_build_before(
    clone: Path, wheel: Path
) -> None:
    done = build(clone, SPINBED_ABI3="0")
    assert done.returncode == 0, done.stdout
    [other] = set((clone / "dist").glob("*.whl")) - {wheel}
    names = [name for name in zipfile.ZipFile(other).namelist() if name.endswith(".so")]
    assert len(names) == 2 and not [name for name in names if "abi3" in name]


def test_no_kernel_has_a_class_of_another_in_it() -> None:
    """A cimported class would be laid out by one kernel's build and used by another's."""
    for path in (ROOT / "cy_kernels").rglob("*.pxd"):
        assert "cdef class" not in path.read_text(), path


def test_macros_outside_of_the_stable_abi_have_a_function_instead() -> None:
    """What `make abi3` asks of the built wheel, asked of the sources: macros compile unnoticed."""
    macros = re.compile(r"\bPy\w+_(?:AS_STRING|GET_SIZE|GET_ITEM|SET_ITEM|AS_DOUBLE|AS_LONG)\b")
    used = set()
    for path in (ROOT / "cy_kernels").rglob("*.p[xy][xdi]"):
        used |= set(macros.findall(path.read_text()))
    face = (ROOT / "cy_kernels/face.pxi").read_text()
    limited = face[face.index("#ifdef Py_LIMITED_API") :]
    assert used == set(re.findall(r"#define (\w+) Py", limited[: limited.index("#endif")]))
