"""op_sets/spinning.pyx, compiled once for all processes of a test run."""

from __future__ import annotations

import fcntl
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD_S = 300
BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
extension = Extension(
    "spinning", ["spinning.pyx"], include_dirs=[{include!r}],
    extra_compile_args=["-O1", "-g0", "-DSPINBED_UD2_MARKERS"])
setup(name="spinning", ext_modules=cythonize(
    [extension], include_path=[{include!r}, {root!r}],
    compiler_directives={{"language_level": 3, "cdivision": True}}),
    script_args=["-q", "build_ext", "--inplace"])
"""


def spinning(factory: pytest.TempPathFactory) -> ModuleType:
    shared = factory.getbasetemp()
    if "popen-" in shared.name:  # a worker's own folder, inside that of all of them
        shared = shared.parent
    folder = shared / "spinning"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any(folder.glob("spinning*.so")):
            _build(folder)
    path = next(folder.glob("spinning*.so"))
    spec = importlib.util.spec_from_file_location("spinning", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _build(folder: Path) -> None:
    (folder / "spinning.pyx").write_bytes((ROOT / "tests/op_sets/spinning.pyx").read_bytes())
    code = BUILD.format(include=str(ROOT / "cy_kernels"), root=str(ROOT))
    built = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=BUILD_S
    )
    assert built.returncode == 0, built.stdout + built.stderr
