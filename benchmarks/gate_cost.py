"""What the unused step gate costs: the rings with it, and the same sources with it compiled out.

Both are built here, from a copy of the sources, one with -DSPINBED_NO_GATE. They are loaded into
one process and take turns, because the machine's speed drifts; the figure is the median over rounds
of their ratio. The same ratio of the build with a gate to a second copy of itself says how much of
that is noise.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional, Sequence

from cy_kernels import ring

ROOT = Path(__file__).resolve().parents[1]
GEOMETRY: Dict[str, Any] = {"slots": 64, "slot_bytes": 4096, "readers": 1}
KINDS = ("cursor", "flag")
SIZES_BYTES = (0, 1024)
PAIRS = 4000
DEADLINE_NS = -1  # nothing waits here: every message is read before the next is sent
BUILD_S = 600  # only against a hang


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), rounds=options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, row in figures.items():
        print(
            f"{name:>14} B: {row['without_ns']:5.0f} ns a message without a gate; with one "
            f"{row['gate_percent']:+5.2f} % (a copy of itself {row['noise_percent']:+5.2f} %)"
        )


def measure(folder: Path, *, rounds: int) -> Dict[str, Any]:
    with_gate = _built(folder / "with", "")
    without = _built(folder / "without", "-DSPINBED_NO_GATE")
    copy = with_gate.with_name("copy.so")
    shutil.copy(with_gate, copy)
    builds = [_loaded(path) for path in (with_gate, without, copy)]
    figures = {}
    for kind in KINDS:
        for size_bytes in SIZES_BYTES:
            region = _region(kind)
            took: List[List[float]] = []
            for index in range(-1, rounds):
                # Every order in turn, so that none profits from who ran before it.
                order = [(index + place) % 3 for place in range(3)][:: -1 if index % 2 else 1]
                by_build = {
                    which: _pair_ns(builds[which], kind, region, size_bytes) for which in order
                }
                if index >= 0:  # before the first, everything is touched once
                    took.append([by_build[which] for which in range(3)])
            figures[f"{kind} {size_bytes}"] = {
                "without_ns": statistics.median(row[1] for row in took),
                "gate_percent": 100 * (statistics.median(row[0] / row[1] for row in took) - 1),
                "noise_percent": 100 * (statistics.median(row[0] / row[2] for row in took) - 1),
            }
    return figures


def _built(folder: Path, flags: str) -> Path:
    """The ring's extension. A wheel, since this interpreter may lack Cython."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "spinbed.py", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    for package in ("cy_kernels", "sim"):
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    subprocess.run(
        [*(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"), "-w", folder, source],
        env={
            **os.environ,
            "CFLAGS": f"{os.environ.get('CFLAGS', '')} {flags}",
            "SPINBED_REQUIRE_EXT": "1",
        },
        check=True,
        timeout=BUILD_S,
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        [name] = [each for each in packed.namelist() if each.startswith("cy_kernels/ring.cpython")]
        return Path(packed.extract(name, folder))


def _loaded(path: Path) -> ModuleType:
    """One more instance of the extension, from another file."""
    loader = importlib.machinery.ExtensionFileLoader("cy_kernels.ring", str(path))
    spec = importlib.util.spec_from_file_location("cy_kernels.ring", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _region(kind: str) -> memoryview:
    """One for all builds: where its pages lie in memory is a part of what a copy costs."""
    return memoryview(mmap.mmap(-1, getattr(ring, f"{kind}_region_bytes")(**GEOMETRY)))


def _pair_ns(build: ModuleType, kind: str, region: memoryview, size_bytes: int) -> float:
    """Mean ns of sending and receiving one message."""
    region[:] = bytes(len(region))
    getattr(build, f"{kind}_format")(region, **GEOMETRY)
    writer = getattr(build, f"{kind.capitalize()}Writer")(region, **GEOMETRY)
    reader = getattr(build, f"{kind.capitalize()}Reader")(region, rank=0, **GEOMETRY)
    payload = bytes(size_bytes)
    send, receive = writer.send, reader.receive
    for _ in range(GEOMETRY["slots"]):  # touches every slot
        send(payload, DEADLINE_NS)
        receive(DEADLINE_NS)
    began_ns = time.perf_counter_ns()
    for _ in range(PAIRS):
        send(payload, DEADLINE_NS)
        receive(DEADLINE_NS)
    took_ns = time.perf_counter_ns() - began_ns
    writer.close()
    reader.close()
    return took_ns / PAIRS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=301, help="rounds (default 301)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    main()
