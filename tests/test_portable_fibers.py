"""A seed is the same execution on both kinds of fibers: the machine is built with the other one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from execution_digest import DIGEST, SEEDS, digest
from expected_skips import cannot_compile

ROOT = Path(__file__).resolve().parents[1]
BUILD_WATCHDOG_S = 300
PORTABLE = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="cy_kernels", packages=[], ext_modules=cythonize(
    [Extension("explore", [{source!r}], include_dirs=[{include!r}],
               extra_compile_args=["-O0", "-g0", "-DSPINBED_PORTABLE_FIBERS"])],
    include_path=[{include!r}, {root!r}], build_dir="cython",
    compiler_directives={{"language_level": 3, "cdivision": True, "wraparound": False,
                          "boundscheck": False}}),
    script_args=["-q", "build_ext", "--build-lib", "."])
"""


@pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")
def test_portable_fibers_execute_the_same(tmp_path: Path) -> None:
    code = PORTABLE.format(
        source=str(ROOT / "cy_kernels" / "explore.pyx"),
        include=str(ROOT / "cy_kernels"),
        root=str(ROOT),
    )
    built = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BUILD_WATCHDOG_S,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    path = next(tmp_path.rglob("explore*.so"))
    spec = importlib.util.spec_from_file_location("explore", path)
    assert spec is not None and spec.loader is not None
    portable = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(portable)
    assert portable.FIBER_KIND == "portable"
    assert digest(portable, SEEDS) == DIGEST
