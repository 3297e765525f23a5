"""Builds whole kernels for aarch64 and runs their tests with an interpreter of that machine.

Both the interpreter (Debian's packages, unpacked, not installed) and qemu, which executes it, are
of the user's kind: no system is booted and nothing of this one is changed. qemu executes WFE as
nothing and has no event stream, so that the rung wfe is forced in a second round; it knows no WFET.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PYTHON = "python3.11"
PACKAGES = (
    *(f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib", f"lib{PYTHON}-dev"),
    *("libc6", "libgcc-s1", "zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0"),
    *("liblzma5", "libuuid1", "libcrypt1", "libsqlite3-0"),
)
WHEELS = ("posix_ipc", "pydantic", "rich", "pytest", "hypothesis")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
APT = """\
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
"""
COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"
STEP_DEADLINE_S = 900
TESTS_DEADLINE_S = 3600
# Pure kernels refuse machines other than x86-64, and say so; what is left is both kinds of ring.
COMPILED_ONLY = "not pure"
TESTS = (
    *("test_cpu.py", "test_cpu_leaves.py", "test_ladder.py", "test_ring.py"),
    *("test_recorder.py", "test_wait_strategies.py", "test_spinloop.py"),
)
FORCED_TESTS = ("test_wait_strategies.py", "test_spinloop.py")
FORCED = {"SPINBED_CPU": "evtstrm"}


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv/aarch64")
    parser.add_argument("words", nargs="*", help="after --, for pytest, instead of our choice")
    parser.add_argument("--rungs", action="store_true", help="only every rung, on both rings")
    parser.add_argument("--lack", action="store_true", help="print what is missing, and stop")
    arguments = parser.parse_args(argv)
    missing = [
        program
        for program in (COMPILER, EMULATOR, "apt-get", "dpkg-deb")
        if shutil.which(program) is None
    ]
    if arguments.lack:
        print(", ".join(missing))
        return 0
    if missing:
        sys.exit(f"needs {missing[0]} (Debian: gcc-aarch64-linux-gnu, qemu-user)")
    folder = arguments.folder.resolve()
    fetch(folder)
    build(folder)
    if arguments.words:
        return emulate(folder, ["-m", "pytest", *arguments.words], {})
    print("every rung, on both rings", flush=True)
    status = emulate(folder, [str(folder / "tree/tests/aarch64_rungs.py")], {})
    if arguments.rungs:
        return status
    print("the kernels as the emulated machine offers to run them", flush=True)
    status = tests(folder, TESTS) or status
    print("the same with the event stream forced, so that WFE is executed", flush=True)
    return tests(folder, FORCED_TESTS, **FORCED) or status


def fetch(folder: Path) -> None:
    """An interpreter of Debian for arm64, and the wheels of the tests: once."""
    if (folder / ".fetched").exists():
        return
    state = folder / "apt"
    for each in (state / "lists/partial", state / "cache/archives/partial", folder / "root"):
        each.mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {SUITE} main\n")
    user = "root" if os.geteuid() == 0 else "nobody"
    (state / "apt.conf").write_text(APT.format(state=state, user=user))
    environ = {"APT_CONFIG": str(state / "apt.conf")}
    run(["apt-get", "-qq", "update"], environ=environ)
    run(["apt-get", "-qq", "download", *PACKAGES], cwd=state / "cache", environ=environ)
    for package in sorted((state / "cache").glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(folder / "root")])
    wheels = ["--target", str(folder / "site"), "--only-binary=:all:", "--implementation", "cp"]
    wheels += ["--python-version", PYTHON[len("python") :], "--upgrade", "--quiet"]
    wheels += [word for platform in PLATFORMS for word in ("--platform", platform)]
    run([sys.executable, "-m", "pip", "install", *wheels, *WHEELS])
    (folder / ".fetched").touch()


def build(folder: Path) -> None:
    """By setup.py itself, with another compiler and the other interpreter's headers. Its suffix is
    that of the interpreter at work here, which the other one would not look for."""
    include = folder / "root/usr/include"
    compiled = folder / "compiled"
    environ = {
        "CC": COMPILER,
        "LDSHARED": f"{COMPILER} -shared",
        "SPINBED_REQUIRE_EXT": "1",
    }
    words = ["-q", "build_ext", "--build-lib", str(compiled), "--build-temp", str(folder / "temp")]
    includes = f"{include / PYTHON}{os.pathsep}{include}"
    run([sys.executable, "setup.py", *words, "-I", includes], cwd=ROOT, environ=environ)
    package = folder / "tree/cy_kernels"
    shutil.rmtree(folder / "tree", ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "_build_note.txt")
    for name in ("cy_kernels", "sim", "tests"):
        shutil.copytree(ROOT / name, folder / "tree" / name, ignore=ignored)
    for library in (compiled / "cy_kernels").glob("*.so"):
        shutil.copy(library, package / f"{library.name.split('.')[0]}.so")
    for name in ("setup.py", "pyproject.toml", "spinbed.py"):
        shutil.copy(ROOT / name, folder / "tree" / name)


def tests(folder: Path, names: Sequence[str], **environ: str) -> int:
    paths = [str(folder / "tree/tests" / name) for name in names]
    words = ["-q", "-p", "no:cacheprovider", "-k", COMPILED_ONLY, *paths]
    return emulate(folder, ["-m", "pytest", *words], environ)


def emulate(folder: Path, words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Children of the interpreter are started by a script that this machine can execute."""
    interpreter = [EMULATOR, "-L", str(folder / "root"), str(folder / "root/usr/bin" / PYTHON)]
    start = folder / "start"
    start.mkdir(exist_ok=True)
    (start / "python").write_text(f'#!/bin/sh\nexec {shlex.join(interpreter)} "$@"\n')
    (start / "python").chmod(0o755)
    site = f"import sys\nsys.executable = {str(start / 'python')!r}\n"
    (start / "sitecustomize.py").write_text(site)
    path = [str(folder / name) for name in ("start", "tree", "site")]
    paths = {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(start / "python"), *words]
    whole = {**os.environ, "SPINBED_REQUIRE_EXT": "1", **paths, **environ}
    done = subprocess.run(command, cwd=folder / "tree", env=whole, timeout=TESTS_DEADLINE_S)
    return done.returncode


def run(
    command: List[str],
    *,
    cwd: Optional[Path] = None,
    environ: Mapping[str, str] = {},  # noqa: B006
) -> None:
    whole = {**os.environ, **environ}
    subprocess.run(command, cwd=cwd, env=whole, check=True, timeout=STEP_DEADLINE_S)


if __name__ == "__main__":
    sys.exit(main())
