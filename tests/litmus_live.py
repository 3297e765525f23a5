"""The litmus shapes on this machine's own cores: what came out, and what TSO allows.

    litmus_live.py --runs 1000000

Each thread of a shape is a thread pinned to a core of its own, which the threads meet before every
instance; where there are more threads than cores, they meet before every row of instances only.
Outcomes that x86-TSO does not allow end the script with 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Optional, Sequence

from litmus_axioms import Outcome, outcomes
from litmus_notation import TSO_MACHINES, Shape, is_weak
from litmus_shapes import SHAPES

ROOT = Path(__file__).resolve().parent.parent
BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="litmus", ext_modules=cythonize(
    [Extension("litmus", ["litmus.pyx"], include_dirs=[{include!r}],
               extra_compile_args=["-O2", "-g0"])],
    include_path=[{include!r}, {root!r}],
    compiler_directives={{"language_level": 3}}), script_args=["-q", "build_ext", "--inplace"])
"""
GRACE_S = 30.0


class Counted(NamedTuple):
    runs: int  # fewer than asked for if the deadline came first
    outcomes: dict[Outcome, int]


def built(folder: Path) -> ModuleType:
    """op_sets/litmus.pyx, compiled in the folder."""
    (folder / "litmus.pyx").write_bytes((ROOT / "tests/op_sets/litmus.pyx").read_bytes())
    code = BUILD.format(include=str(ROOT / "cy_kernels"), root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    spec = importlib.util.spec_from_file_location("litmus", next(folder.glob("litmus*.so")))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def can_run(shape: Shape) -> bool:
    """On real threads a run must end, and the ops do not tell what a `cas` saw."""
    has_cas = any(step[0] == "cas" for thread in shape.threads for step in thread)
    return not has_cas and all(each.end == "ended" for each in outcomes(shape.threads, "tso"))


def counted(litmus: Any, shape: Shape, *, runs: int, within_s: float) -> Counted:
    """The shape's outcomes in `runs` or, rounded up to whole rows of instances, a few more."""
    cores = sorted(os.sched_getaffinity(0))
    test = litmus.Litmus(
        shape.threads,
        runs=runs,
        deadline_ns=time.monotonic_ns() + int(within_s * 1e9),
        meets_each=len(shape.threads) <= len(cores),
    )

    def run(index: int) -> None:
        os.sched_setaffinity(0, {cores[index % len(cores)]})  # of this thread alone
        test.run(index)

    threads = [
        threading.Thread(target=run, args=(index,), daemon=True)
        for index in range(len(shape.threads))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_s + GRACE_S)
        assert not thread.is_alive(), f"{shape.name}: a thread outlived its deadline"
    return Counted(
        test.done,
        {Outcome("ended", *each): count for each, count in test.counted().items()},
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=1_000_000, help="of each shape")
    parser.add_argument("--within", type=float, default=60.0, metavar="S", help="for each shape")
    parser.add_argument("--shape", action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    if platform.machine() not in TSO_MACHINES:
        parser.error(f"{platform.machine()} does not promise TSO")
    shapes = [each for each in SHAPES if can_run(each)]
    if options.shape:
        shapes = [each for each in shapes if each.name in options.shape]
    print(f"{'shape':30} {'runs':>9} {'weak':>9}  TSO allows it  outcomes seen/allowed  beyond TSO")
    beyond = 0
    with tempfile.TemporaryDirectory(prefix="litmus_live-") as folder:
        litmus = built(Path(folder))
        for shape in shapes:
            seen = counted(litmus, shape, runs=options.runs, within_s=options.within)
            allowed = outcomes(shape.threads, "tso")
            weak = sum(count for each, count in seen.outcomes.items() if is_weak(each, shape))
            strange = set(seen.outcomes) - allowed
            beyond += len(strange)
            print(
                f"{shape.name:30} {seen.runs:9} {weak:9}  {'tso' in shape.allowed.split()!s:13}  "
                f"{len(seen.outcomes):10}/{len(allowed):<10}  {len(strange)}",
                flush=True,
            )
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
