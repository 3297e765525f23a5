"""Builds the stable-ABI wheel, audits it, and runs it on every interpreter of this host.

On 3.11 and on the newest the wheel is installed, its rings and waits are tested, and references are
counted; in between it must load. Below, where pip would refuse it, it is unpacked onto the path: it
must come to pure kernels, with one warning that names the cause.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Optional, Sequence

from sim.live.interpreters import Interpreter, found

ROOT = Path(__file__).resolve().parents[1]
BUILDER, FLOOR = "3.11", (3, 11)
STEP_DEADLINE_S = 900
LOAD_DEADLINE_S = 60
DROPPED = ("SPINBED_REQUIRE_EXT", "SPINBED_KERNELS", "PYTHONPATH")  # of our own environment
TESTS = ("test_ring.py", "test_ring_objects.py", "test_wait_strategies.py", "test_spinloop.py")
CALLS = ("--calls", "500", "--seconds", "0.3")
MISSING = "undefined symbol: Py_Version"

# What an old interpreter makes of it: the kind, the warnings, and a message through a pure ring.
DEGRADES = f"""
import logging
seen = []
class Keep(logging.Handler):
    def emit(self, record):
        seen.append(record.getMessage())
logging.getLogger().addHandler(Keep())
import cy_kernels
from cy_kernels.choice import kernels
status = cy_kernels.status()
assert (status.kind, status.reason.exception) == ("pure", "ImportError"), status
assert {MISSING!r} in status.reason.text, status
assert kernels().ring.__name__ == "cy_kernels.pure.ring", kernels()
assert len(seen) == 1 and {MISSING!r} in seen[0], seen
"""

LOADS = """
import cy_kernels
from cy_kernels.choice import kernels
assert cy_kernels.status().kind == "compiled", cy_kernels.status()
assert kernels().ring.__name__ == "cy_kernels.ring", kernels()
"""


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv/abi3")
    folder = parser.parse_args(argv).folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    here = {name: each for name, each in found() if isinstance(each, Interpreter)}
    if BUILDER not in here:
        print(f"-- skipped: only CPython {BUILDER} builds abi3 wheels, and there is none here")
        return 0
    began = time.monotonic()
    wheel = built(here[BUILDER], folder)
    run(folder / "builder/bin/abi3audit", "--strict", "--summary", wheel)
    print(f"abi3: {wheel.name} built and audited in {time.monotonic() - began:.0f} s", flush=True)
    newest = max(each.minor for each in here.values())
    for interpreter in here.values():
        began = time.monotonic()
        if interpreter.minor < FLOOR:
            runs(interpreter, wheel, folder, DEGRADES)
            outcome = "pure, and says why"
        elif interpreter.minor in (FLOOR, newest):
            is_fit(interpreter, wheel, folder)
            outcome = "works"
        else:
            runs(interpreter, wheel, folder, LOADS)
            outcome = "loads"
        print(f"abi3: {interpreter}: {outcome}, {time.monotonic() - began:.0f} s", flush=True)
    return 0


def built(interpreter: Interpreter, folder: Path) -> Path:
    run(interpreter.executable, "-m", "venv", "--clear", folder / "builder")
    run(folder / "builder/bin/pip", "install", "--quiet", "abi3audit")
    for old in folder.glob("*.whl"):
        old.unlink()
    pip = (folder / "builder/bin/pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder)
    run(*pip, ROOT, SPINBED_ABI3="1")
    [wheel] = folder.glob("*-cp311-abi3-*.whl")
    return wheel


def is_fit(interpreter: Interpreter, wheel: Path, folder: Path) -> None:
    venv = folder / interpreter.soabi
    run(interpreter.executable, "-m", "venv", "--clear", venv)
    run(venv / "bin/pip", "install", "--quiet", f"{wheel}[test]")
    tests = [ROOT / "tests" / name for name in TESTS]
    words = ("-q", "-p", "no:cacheprovider", "-n", "auto", "--max-worker-restart=0")
    run(venv / "bin/pytest", *words, *tests, SPINBED_REQUIRE_EXT="1")
    run(venv / "bin/python", ROOT / "tests/references.py", *CALLS, SPINBED_REQUIRE_EXT="1")


def runs(interpreter: Interpreter, wheel: Path, folder: Path, script: str) -> None:
    """Where pip is not asked."""
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    done = loaded(interpreter, unpacked, script)
    if done.returncode != 0:
        sys.exit(f"{interpreter} does not run as it should:\n{done.stderr}")


def loaded(
    interpreter: Interpreter, unpacked: Path, script: str
) -> subprocess.CompletedProcess[str]:
    """What a script says that runs with an unpacked wheel on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return subprocess.run(
        [interpreter.executable, "-B", "-S", "-c", script],
        cwd=unpacked,
        env={**kept, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=LOAD_DEADLINE_S,
    )


def run(*command: object, **variables: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    subprocess.run(
        [str(word) for word in command],
        cwd=ROOT / "tests",
        env={**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables},
        check=True,
        timeout=STEP_DEADLINE_S,
    )


if __name__ == "__main__":
    sys.exit(main())
