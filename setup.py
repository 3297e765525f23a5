"""One Extension per .pyx and its flags; without a compiler the installation goes on, pure."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import sysconfig
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if not sys.platform.startswith("linux"):
    sys.exit(f"spinbed runs on Linux only (futexes, /dev/shm, /proc); this is {sys.platform}.")

# The inliner's limit of -O3. Below it gcc shares one copy of a ring's longer functions between the
# ways with and without a step gate (decision 10), and every op of a message looks for a gate.
# Without -g0 an interpreter that was itself built with -g has gcc write what only a debugger reads:
# two fifths of its time and four fifths of each kernel.
FLAGS = ["-O2", "-g0", "--param=max-inline-insns-single=200"]
DIRECTIVES = {
    "language_level": 3,
    "binding": False,  # 8-11 % per call
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
}
C_FILES = "build/cython"
# SPINBED_ABI3=1: one wheel for every CPython from 3.11 on (docs/decisions/0014). Objects of that
# floor are compiled with its own headers: those of 3.12 and 3.13 return True, False and None
# uncounted under an older limited API (CPython's gh-134989), and a 3.11 that loads the result dies
# of it long after.
ABI3 = os.environ.get("SPINBED_ABI3") == "1"
LIMITED = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []
if ABI3 and (sys.implementation.name, *sys.version_info[:2]) != ("cpython", 3, 11):
    sys.exit(
        "SPINBED_ABI3=1 builds with the headers of CPython 3.11 alone: newer ones lose references "
        "(gh-134989), older ones lack what is needed. "
        f"This is {sys.implementation.name} {platform.python_version()}."
    )
CARRIED = "cy_kernels/_setup.py"  # with it sim.live.environments builds for other interpreters
NOTE = "cy_kernels/_build_note.txt"  # why this installation is pure; cy_kernels.status() reads it
# The second build of the rings, which no product runs, is also the one whose waiting instructions
# trap on every host, so that they can be emulated and disturbed (cy_kernels.trap). A third build
# for that alone would cost everybody who installs spinbed another 5 s of gcc; the price is that
# whoever waits by an instruction in this one must have a trap installed.
MARKED = [("SPINBED_UD2_MARKERS", "1")]
KERNELS = [
    Extension(
        path[: -len(".pyx")].replace("/", "."),
        [path],
        depends=["setup.py"],  # what a kernel includes or cimports, Cython knows
        include_dirs=["cy_kernels"],
        define_macros=LIMITED + (MARKED if path == "cy_kernels/mutants.pyx" else []),
        py_limited_api=ABI3,
        extra_compile_args=FLAGS,
    )
    for path in sorted(glob("cy_kernels/*.pyx"))
]


class BuildKernels(build_ext):
    """All kernels or none: a half-built set would run some ends compiled and others not."""

    def run(self) -> None:
        roots = [Path(self.build_lib)] + ([Path()] if self.inplace else [])
        ours = {Path(self.get_ext_filename(each.name)).name for each in KERNELS}
        for built in Path(self.build_lib, "cy_kernels").glob("*.so"):
            if built.name not in ours:  # of the other ABI, from a build before
                built.unlink()
        for root in roots:
            (root / NOTE).unlink(missing_ok=True)
        if not self.inplace:
            Path(self.build_lib, "cy_kernels").mkdir(parents=True, exist_ok=True)
            self.copy_file("setup.py", str(Path(self.build_lib, CARRIED)))
        try:
            self.compile_kernels()
        except Exception as error:  # Cython, the toolchain and the OS each raise their own kind
            self.stay_pure(roots, f"{type(error).__name__}: {error}")

    def compile_kernels(self) -> None:
        if os.environ.get("SPINBED_PURE") == "1":
            raise RuntimeError("SPINBED_PURE=1 asked for an installation without kernels")
        where = sysconfig.get_path("include")
        if not Path(where, "Python.h").is_file():
            raise FileNotFoundError(f"no Python.h in {where} (Debian package python3-dev)")
        import Cython  # absent in builds without isolation: pure then
        from Cython.Build import cythonize

        in_c = {each.name: f"{C_FILES}/{each.name.replace('.', '/')}.c" for each in KERNELS}
        # Not by dates: Cython's own .pxd are new in every build environment. By those it would
        # write the same C again for each interpreter, and gcc would compile all of it again.
        stamp, made_of = Path(C_FILES, "made-of"), fingerprint(Cython.__version__)
        is_made = stamp.is_file() and stamp.read_text(encoding="utf-8") == made_of
        if not is_made or not all(map(os.path.isfile, in_c.values())):
            cythonize(KERNELS, build_dir=C_FILES, nthreads=2, compiler_directives=DIRECTIVES)
            stamp.write_text(made_of, encoding="utf-8")
        for extension in self.extensions:
            extension.sources = [in_c[extension.name]]
        self.parallel = 2
        super().run()

    def stay_pure(self, roots: list[Path], reason: str) -> None:
        for variable in ("SPINBED_REQUIRE_EXT", "SPINBED_ABI3"):
            if os.environ.get(variable) == "1":
                sys.exit(f"spinbed: the kernels were not compiled, and {variable}=1: {reason}")
        for root in roots:
            for extension in self.extensions:
                (root / self.get_ext_filename(extension.name)).unlink(missing_ok=True)
            (root / "cy_kernels").mkdir(parents=True, exist_ok=True)
            (root / NOTE).write_text(reason + "\n", encoding="utf-8")
        print(f"spinbed: THE KERNELS WERE NOT COMPILED; this installation is pure: {reason}")


def fingerprint(cython: str) -> str:
    """Of all that the C files are made of."""
    found = hashlib.sha256(cython.encode())
    kernels = glob("cy_kernels/**/*.p[yx][xdi]", recursive=True)
    for path in ("setup.py", *sorted(kernels)):
        found.update(b"\0%s\0" % path.encode() + Path(path).read_bytes())
    return found.hexdigest()


setup(
    ext_modules=KERNELS,
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
