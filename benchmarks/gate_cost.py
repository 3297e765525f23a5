"""What the unused step gate costs: the rings with it, and the same sources with it compiled out.

A build's speed also depends on where its functions happen to lie, by more than what a gate costs.
So each variant is built in several layouts (other alignments, its functions in random order with
random gaps; the idea of Stabilizer, Curtsinger and Berger 2013), all take turns in one process, and
the figure is the ratio of the means over layouts. The same ratio of the gate-free variant to more
layouts of itself says how much of that is noise. Beside it stand the instructions of one message
pair, which no layout changes; callgrind counts them.
"""

from __future__ import annotations

import argparse
import ast
import importlib.machinery
import importlib.util
import json
import mmap
import os
import random
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
GEOMETRY: Dict[str, Any] = {"slots": 64, "slot_bytes": 4096, "readers": 1}
CASES = [(kind, size_bytes) for kind in ("cursor", "flag") for size_bytes in (0, 1024)]
PAIRS = 4000
COUNTED_PAIRS = 2000
DEADLINE_NS = -1  # nothing waits here: every message is read before the next is sent
BUILD_S = 600  # only against a hang
COMPILE, LINK = (  # as for any extension of this interpreter
    [word for name in names for word in shlex.split(sysconfig.get_config_var(name) or "")]
    for names in (("CC", "CFLAGS", "CCSHARED"), ("LDSHARED",))
)
NO_GATE = "-DSPINBED_NO_GATE"
ALIGNMENTS = (  # each is one compilation; a layout is one of them, linked in an order of its own
    ("-falign-functions=16",),
    ("-falign-functions=64", "-falign-loops=32", "-falign-jumps=16"),
)
GAP_MAX_BYTES = 512
MARK = "getppid"  # what the counted process calls between cases, for callgrind to tell them apart


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    if options.count:
        pass_counted(options.count)
        return
    if options.layouts < 2 or options.rounds < 1:
        sys.exit("gate_cost.py: --layouts must be at least 2 and --rounds at least 1")
    with tempfile.TemporaryDirectory() as folder:
        builds = build(Path(folder), options.layouts)
        figures = measure(builds, options.rounds)
        counts = count(Path(folder), builds)
    if options.json:
        print(json.dumps({"timed": figures, "instructions": counts}))
        return
    for name, row in figures.items():
        print(
            f"{name:>14} B: {row['without_ns']:5.0f} ns a message pair without a gate; with one "
            f"{row['gate_percent']:+5.2f} +- {row['error_percent']:4.2f} % (gate-free against "
            f"itself {row['noise_percent']:+5.2f} %; one layout from another "
            f"{row['layout_percent']:4.2f} %)"
        )
    if not counts:
        print("  instructions: not counted, valgrind is not installed")
    for name, row in counts.items():
        print(
            f"{name:>14} B: {row['without']:5.0f} instructions a message pair without a gate; with "
            f"one {row['with'] - row['without']:+5.1f} ({row['percent']:+5.2f} %)"
        )


def build(folder: Path, layouts: int) -> Dict[str, List[Path]]:
    """The ring's extension: `layouts` files of each variant, and as many again without a gate."""
    source = _cythonized(folder)
    variants = {"with": (), "without": (NO_GATE,), "again": (NO_GATE,)}
    chosen = random.Random(1)
    plan = [
        (name, (*flags, *ALIGNMENTS[place % len(ALIGNMENTS)]), random.Random(chosen.random()))
        for name, flags in variants.items()
        for place in range(layouts)
    ]
    compiled = sorted({flags for _, flags, _ in plan})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = dict(zip(compiled, pool.map(lambda flags: _compiled(source, flags), compiled)))
        linked = pool.map(
            lambda each: _linked(objects[each[1]], folder / f"{each[0]}.so", each[2]),
            [(index, flags, order) for index, (_, flags, order) in enumerate(plan)],
        )
        builds: Dict[str, List[Path]] = {name: [] for name in variants}
        for (name, _, _), path in zip(plan, linked):
            builds[name].append(path)
    return builds


def measure(builds: Dict[str, List[Path]], rounds: int) -> Dict[str, Any]:
    """By case: ns a message pair, and what the gate adds, in per cent."""
    loaded = [(name, _loaded(path)) for name, paths in builds.items() for path in paths]
    shuffled = random.Random(2)
    figures = {}
    for kind, size_bytes in CASES:
        region = _region(loaded[0][1], kind)
        relative: List[List[float]] = [[] for _ in loaded]
        middles: List[float] = []
        for index in range(-1, rounds):
            order = list(range(len(loaded)))
            shuffled.shuffle(order)
            took = {which: _pair_ns(loaded[which][1], kind, region, size_bytes) for which in order}
            if index < 0:  # everything is touched once
                continue
            middles.append(statistics.median(took.values()))
            for which, took_ns in took.items():  # against its round: the machine's speed drifts
                relative[which].append(took_ns / middles[-1])
        speeds: Dict[str, List[float]] = {name: [] for name in builds}
        for (name, _), ratios in zip(loaded, relative):
            speeds[name].append(statistics.median(ratios))
        figures[f"{kind} {size_bytes}"] = _figures(speeds, statistics.median(middles))
    return figures


def _figures(speeds: Dict[str, List[float]], middle_ns: float) -> Dict[str, float]:
    mean = {name: statistics.fmean(values) for name, values in speeds.items()}
    spread = {name: statistics.stdev(values) for name, values in speeds.items()}
    error = (spread["with"] ** 2 + spread["without"] ** 2) / len(speeds["with"])
    return {
        "without_ns": middle_ns * mean["without"],
        "gate_percent": _more(mean["with"], mean["without"]),
        "error_percent": 100 * error**0.5,  # standard error over layouts
        "noise_percent": _more(mean["again"], mean["without"]),
        "layout_percent": 100 * spread["without"],  # standard deviation
    }


def count(folder: Path, builds: Dict[str, List[Path]]) -> Dict[str, Any]:
    """By case: instructions of a message pair, the interpreter's included. Empty: no valgrind."""
    if shutil.which("valgrind") is None:
        return {}
    gated, free = (_counted(folder / name, builds[name][0]) for name in ("with", "without"))
    return {
        name: {
            "with": gated[name],
            "without": free[name],
            "percent": _more(gated[name], free[name]),
        }
        for name in gated
    }


def _counted(place: Path, build: Path) -> Dict[str, float]:
    """In a process of its own for each build, with a path that is as long: the same heap."""
    place.mkdir()
    file = shutil.copy(build, place.with_name("counted.so"))
    _run(
        *("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={place / 'out'}"),
        *(f"--dump-before={MARK}", sys.executable, __file__, "--count", file),
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    counts = {}
    for index, (kind, size_bytes) in enumerate(CASES):
        # Dump 1 is what came before; then by turns a case, and what prepares the next one.
        text = (place / f"out.{2 * index + 2}").read_text(encoding="utf-8")
        total = re.findall(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[-1]
        counts[f"{kind} {size_bytes}"] = int(total) / COUNTED_PAIRS
    return counts


def pass_counted(file: Path) -> None:
    """What runs under callgrind: each case, with a mark before and behind it."""
    build = _loaded(file)
    for kind, size_bytes in CASES:
        region = _region(build, kind)
        _pair_ns(build, kind, region, size_bytes, COUNTED_PAIRS, mark=getattr(os, MARK))


def _more(gated: float, free: float) -> float:
    """In per cent."""
    return 100 * (gated / free - 1)


def _cythonized(folder: Path) -> Path:
    """ring.c, as setup.py has it made."""
    environment = dict(os.environ)
    if importlib.util.find_spec("Cython") is None:
        environment["PYTHONPATH"] = str(folder / "site")
        requires = re.search(r'"(Cython[^"]*)"', (ROOT / "pyproject.toml").read_text("utf-8"))
        assert requires is not None
        _run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--target", folder / "site", requires[1]),
        )
    source = folder / "ring.c"
    directives = [f"-X{name}={value}" for name, value in _of_setup("DIRECTIVES").items()]
    _run(
        *(sys.executable, "-m", "cython", *directives, "-o", source, "cy_kernels/ring.pyx"),
        env=environment,
    )
    return source


def _of_setup(name: str) -> Any:
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"setup.py assigns no {name}")


def _compiled(source: Path, flags: Sequence[str]) -> Path:
    """The object file, each function in a section of its own."""
    target = source.with_name(f"{'-'.join(['ring', *flags])}.o")
    _run(
        *COMPILE,
        *(f"-I{sysconfig.get_path('include')}", "-Icy_kernels", "-c", source, "-o", target),
        *(*_of_setup("FLAGS"), "-ffunction-sections", *flags),
    )
    return target


def _linked(compiled: Path, target: Path, chosen: random.Random) -> Path:
    listed = _run("readelf", "-SW", compiled)
    sections = re.findall(r" (\.text\.(?!unlikely|startup|exit|hot)\S+)", listed)
    chosen.shuffle(sections)
    lines = [
        f". = . + {16 * chosen.randrange(GAP_MAX_BYTES // 16)}; *({section})"
        for section in sections
    ]
    script = target.with_suffix(".ld")
    body = "\n".join(lines)
    script.write_text(
        f"SECTIONS {{ .text.shuffled : {{ {body} }} }} INSERT BEFORE .text;", encoding="utf-8"
    )
    _run(*LINK, compiled, f"-Wl,-T,{script}", "-o", target)
    return target


def _run(*command: Any, env: Optional[Dict[str, str]] = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=env,
        check=True,
        timeout=BUILD_S,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def _loaded(path: Path) -> ModuleType:
    """One more instance of the extension, from another file."""
    loader = importlib.machinery.ExtensionFileLoader("cy_kernels.ring", str(path))
    spec = importlib.util.spec_from_file_location("cy_kernels.ring", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _region(build: ModuleType, kind: str) -> memoryview:
    """One for all builds: where its pages lie in memory is a part of what a copy costs."""
    return memoryview(mmap.mmap(-1, getattr(build, f"{kind}_region_bytes")(**GEOMETRY)))


def _pair_ns(
    build: ModuleType,
    kind: str,
    region: memoryview,
    size_bytes: int,
    pairs: int = PAIRS,
    mark: Any = time.perf_counter_ns,
) -> float:
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
    began_ns = mark()
    for _ in range(pairs):
        send(payload, DEADLINE_NS)
        receive(DEADLINE_NS)
    took_ns = mark() - began_ns
    writer.close()
    reader.close()
    return took_ns / pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=101, help="rounds (default 101)")
    parser.add_argument("--layouts", type=int, default=8, help="layouts of a variant (default 8)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--count", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
