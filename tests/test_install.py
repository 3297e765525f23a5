"""Real installations of a copy of the tree: compiled, pure for whatever reason, and refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Optional

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD_LIMIT_S = 300  # a watchdog; a cold compile takes about a tenth of it
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NOT_PART_OF_A_CLONE = shutil.ignore_patterns(
    *("*.so", "*.c", "__pycache__", "*.egg-info", "_build_note.txt")
)
WRITTEN_IN_C = "sim/subjects/native/constants.c"  # all other C is made from Cython

# A build need not compile all of the product to show what it shows.
FEW = ("clock", "ring")
ONE_KERNEL = "def answer():\n    return 42\n"

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The sources, nothing that was built."""
    target = tmp_path / "clone"
    target.mkdir()
    for name in ("sim", "cy_kernels"):
        shutil.copytree(ROOT / name, target / name, ignore=NOT_PART_OF_A_CLONE)
    shutil.copy(ROOT / WRITTEN_IN_C, target / WRITTEN_IN_C)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith(".git"):
            shutil.copy(path, target)
    return target


@pytest.fixture
def small_clone(clone: Path) -> Path:
    """The same with few kernels that compile in a second, for what happens around the compiler."""
    setup = clone / "setup.py"
    text, lists = re.subn(r"(?<=\nFLAGS = )\[[^]]*\]", '["-O0", "-g0"]', setup.read_text())
    assert lists == 1
    setup.write_text(text)
    for path in (clone / "cy_kernels").glob("*.pyx"):
        path.with_suffix(".pxd").unlink(missing_ok=True)
        path.unlink()
    for name in FEW:
        (clone / f"cy_kernels/{name}.pyx").write_text(ONE_KERNEL)
    package = clone / "cy_kernels/__init__.py"
    text, lists = re.subn(r"(?<=\nKERNELS = )\([^=]*\n\)", repr(FEW), package.read_text())
    assert lists == 1
    package.write_text(text)
    return clone


def environment(**changes: Optional[str]) -> dict[str, str]:
    dropped = ("SPINBED_REQUIRE_EXT", "SPINBED_PURE", "PYTHONPATH", "CC", "CFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, **{name: value for name, value in changes.items() if value is not None}}


def pip(clone: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "-v", "--disable-pip-version-check", *arguments]
    return subprocess.run(
        [*command, "--no-build-isolation", "--no-deps", "--no-index"],
        cwd=clone,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT_S,
    )


BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def install(clone: Path, **changes: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """As pip does it, without its own second: the wheel that its hook builds, unpacked."""
    target = clone.parent / "installed"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)],
        cwd=clone,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT_S,
    )
    for wheel in target.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return done, target


def status_of(installed: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import cy_kernels; print(cy_kernels.status())"],
        cwd=installed.parent,
        env=environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def path_without_a_compiler(tmp_path: Path) -> str:
    """A PATH where the usual tools are, and no compiler of any name."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "ls", "uname", "cat", "rm", "mkdir"):
        found = shutil.which(name)
        if found is not None:
            (tools / name).symlink_to(found)
    return str(tools)


def test_without_a_compiler_the_installation_succeeds_and_says_that_it_is_pure(
    small_clone, tmp_path
):
    installed = tmp_path / "installed"
    done = pip(
        small_clone,
        *("install", "--no-compile", "--target", str(installed), "."),
        PATH=path_without_a_compiler(tmp_path),
    )
    assert done.returncode == 0, done.stdout
    assert "THE KERNELS WERE NOT COMPILED; this installation is pure" in done.stdout
    assert not list(installed.rglob("*.so"))
    status = status_of(installed)
    assert status.startswith("pure: ModuleNotFoundError")
    assert "no compiled kernel is installed" in status
    assert "the build said: " in status and "No such file or directory" in status


def test_when_a_compile_fails_no_kernel_is_left_half_installed(small_clone):
    kernels = sorted((small_clone / "cy_kernels").glob("*.pyx"))
    kernels[-1].write_text("this is not a kernel\n")
    done, installed = install(small_clone)
    assert done.returncode == 0, done.stdout
    assert not list(installed.rglob("*.so"))
    assert f"{kernels[-1].stem}.pyx" in done.stdout  # what Cython says of it
    assert "the build said: CompileError" in status_of(installed)


def test_a_build_that_fails_after_one_that_worked_leaves_nothing_of_it(small_clone):
    done, installed = install(small_clone)
    assert done.returncode == 0 and list(installed.rglob("*.so")), done.stdout
    for path in (small_clone / "cy_kernels").glob("*.pyx"):
        path.write_text(ONE_KERNEL + "# changed\n")
    done, installed = install(small_clone, CC="/bin/false")
    assert done.returncode == 0, done.stdout
    assert not list(installed.rglob("*.so"))
    done, installed = install(small_clone)
    assert done.returncode == 0 and status_of(installed) == "compiled", done.stdout
    assert not list(installed.rglob("_build_note.txt"))


def test_required_kernels_that_cannot_be_compiled_fail_the_installation(small_clone):
    done, _ = install(small_clone, CC="/bin/false", SPINBED_REQUIRE_EXT="1")
    assert done.returncode != 0
    assert "the kernels were not compiled, and SPINBED_REQUIRE_EXT=1" in done.stdout


def test_pure_on_purpose_compiles_nothing_and_says_so(small_clone):
    done, installed = install(small_clone, SPINBED_PURE="1", CC="/bin/false")
    assert done.returncode == 0, done.stdout
    assert "SPINBED_PURE=1 asked for an installation without kernels" in status_of(installed)


def test_a_missing_python_header_is_named_with_its_package(small_clone):
    # The header is found through sysconfig: a build process in which it points elsewhere.
    setup = small_clone / "setup.py"
    elsewhere = f"sysconfig.get_path = lambda name: {str(small_clone / 'nowhere')!r}\n"
    setup.write_text(setup.read_text().replace("\nFLAGS = ", f"\n{elsewhere}FLAGS = ", 1))
    done, installed = install(small_clone)
    assert done.returncode == 0, done.stdout
    assert "no Python.h in" in status_of(installed)
    assert "python3-dev" in status_of(installed)


def test_another_operating_system_is_refused_plainly(small_clone):
    script = "import sys, runpy, setuptools.command.build_ext\n"
    script += "sys.platform = 'darwin'; sys.argv = ['setup.py', 'build']\n"
    script += "runpy.run_path('setup.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=small_clone, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "spinbed runs on Linux only" in done.stderr and "darwin" in done.stderr


def test_the_wheel_has_kernels_types_and_sources_and_no_generated_c(small_clone, tmp_path):
    if shutil.which("gcc") is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("needs gcc and Python.h")
    done = pip(small_clone, "wheel", "--wheel-dir", str(tmp_path), ".", SPINBED_REQUIRE_EXT="1")
    assert done.returncode == 0, done.stdout
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for source in (small_clone / "cy_kernels").glob("*.pyx"):
        assert f"cy_kernels/{source.stem}{SUFFIX}" in names
    for source in (small_clone / "cy_kernels").rglob("*.p[xy][xdi]"):
        assert str(source.relative_to(small_clone)) in names
    assert {"cy_kernels/py.typed", "sim/py.typed", "spinbed.py", "sim/cli.py"} <= names
    setup = zipfile.ZipFile(wheel).read("cy_kernels/_setup.py")  # for kernels of other interpreters
    assert setup == (small_clone / "setup.py").read_bytes()
    assert {name for name in names if name.endswith(".c")} == {WRITTEN_IN_C}
    assert not [name for name in names if name.startswith(("tests/", "build/"))]


def test_the_source_distribution_has_every_source_and_nothing_built(clone, tmp_path):
    (clone / "cy_kernels" / "ring.c").write_text("/* left by a build */\n")
    (clone / "cy_kernels" / "_build_note.txt").write_text("left by a build\n")
    command = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)]
    subprocess.run(command, cwd=clone, env=environment(), check=True, timeout=BUILD_LIMIT_S)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for source in (clone / "cy_kernels").rglob("*.p[xy][xdi]"):
        assert str(source.relative_to(clone)) in names
    assert {"setup.py", "pyproject.toml", "Makefile", "LICENSE"} <= names
    assert any(name.endswith(".pxi") for name in names)
    built = {name for name in names if name.endswith((".c", ".so", "_build_note.txt"))}
    assert built == {WRITTEN_IN_C}
