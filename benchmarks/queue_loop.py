"""The loops of vLLM's message queue with spinloop in them, and with a spin that keeps the core.

Processes share a ring of chunks; each chunk has a byte that says written and one for each reader
that says read. Who waits for a chunk first spins for up to 0.1 s, looking with a callback that
passes a fence and reads those bytes, then gives up the core once, and starts over. Three spins take
turns within each round: none (the queue as it is by default), one that pauses and never gives up
the core (as the extension does that vLLM releases, on a CPU without MONITORX), and ours.

Measured on two cores: the processor time of a reader to whom nothing is sent; how long a message
takes at one every millisecond, and the reader's processor time; messages a second from one writer
to four readers. Medians over rounds; ratios are within one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import mmap
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from cy_kernels import spinloop

ROOT = Path(__file__).resolve().parent.parent
CHUNKS = 10
CHUNK_BYTES = 64
SPIN_S = 0.1  # what vLLM gives each call
IDLE_S = 0.4
MESSAGES = 300  # one every INTERVAL_NS
INTERVAL_NS = 1_000_000
FLOOD_S = 0.5
READERS = 4
HANG_S = 60.0
END = 2**64 - 1  # the last message's stamp
FORK = multiprocessing.get_context("fork")  # the ring is inherited, as is what was compiled

Spin = Callable[..., object]
BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="pausing", ext_modules=cythonize(
    [Extension("pausing", ["pausing.pyx"], extra_compile_args=["-O2"])], include_path=[{root!r}],
    compiler_directives={{"language_level": 3}}), script_args=["-q", "build_ext", "--inplace"])
"""


class Ring:
    """Chunks of memory, and behind them the flags of each: written, then one for each reader."""

    def __init__(self, readers: int) -> None:
        self.readers = readers
        self.flags_bytes = 1 + readers
        self.memory = memoryview(mmap.mmap(-1, CHUNKS * (CHUNK_BYTES + self.flags_bytes)))
        self._lock = threading.Lock()

    def flags(self, index: int) -> memoryview:
        start = CHUNKS * CHUNK_BYTES + index * self.flags_bytes
        return self.memory[start : start + self.flags_bytes]

    def chunk(self, index: int) -> memoryview:
        return self.memory[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]

    def fence(self) -> None:
        """The atomic instruction in a free lock orders everything before it and after it."""
        with self._lock:
            pass


def wait_for(check: Callable[[], bool], watched: memoryview, spin: Optional[Spin]) -> None:
    ends = time.monotonic() + HANG_S
    while True:
        if spin is not None and not check():
            spin(watched, check, timeout=SPIN_S)
        if check():
            return
        os.sched_yield()
        if time.monotonic() > ends:
            raise TimeoutError("the other side does not move")


def send(ring: Ring, number: int, stamp: int, spin: Optional[Spin]) -> None:
    flags, chunk = ring.flags(number % CHUNKS), ring.chunk(number % CHUNKS)

    def is_free() -> bool:
        ring.fence()
        return not flags[0] or sum(flags[1:]) == ring.readers

    wait_for(is_free, flags, spin)
    flags[0] = 0
    chunk[:8] = stamp.to_bytes(8, "little")
    flags[1:] = bytes(ring.readers)
    ring.fence()
    flags[0] = 1
    ring.fence()


def receive(ring: Ring, rank: int, number: int, spin: Optional[Spin]) -> int:
    flags, chunk = ring.flags(number % CHUNKS), ring.chunk(number % CHUNKS)

    def is_there() -> bool:
        ring.fence()
        return flags[0] == 1 and flags[1 + rank] == 0

    wait_for(is_there, flags, spin)
    stamp = int.from_bytes(chunk[:8], "little")
    flags[1 + rank] = 1
    ring.fence()
    return stamp


class Reader:
    """A process that reads until the last message, and tells its latencies and processor time."""

    def __init__(self, ring: Ring, rank: int, spin: Optional[Spin]) -> None:
        self._pipe, theirs = FORK.Pipe()
        self._process = FORK.Process(target=_read_all, args=(ring, rank, spin, theirs))
        self._process.start()
        assert self._pipe.poll(HANG_S), "a reader does not start"
        self._pipe.recv()

    def told(self) -> Dict[str, Any]:
        if not self._pipe.poll(HANG_S):
            self._process.kill()
            raise TimeoutError("a reader does not end")
        told: Dict[str, Any] = self._pipe.recv()
        self._process.join(HANG_S)
        return told


def _read_all(ring: Ring, rank: int, spin: Optional[Spin], pipe: Any) -> None:
    pipe.send("ready")
    latencies_ns: List[int] = []
    began_ns, used_ns = time.monotonic_ns(), time.process_time_ns()
    number = 0
    while True:
        stamp = receive(ring, rank, number, spin)
        number += 1
        if stamp == END:
            break
        latencies_ns.append(time.monotonic_ns() - stamp)
    used_ns, took_ns = time.process_time_ns() - used_ns, time.monotonic_ns() - began_ns
    pipe.send({"latencies_ns": latencies_ns, "cpu": used_ns / took_ns})


def idle(spin: Optional[Spin]) -> Dict[str, float]:
    ring = Ring(1)
    reader = Reader(ring, 0, spin)
    time.sleep(IDLE_S)
    send(ring, 0, END, None)
    return {"idle CPU, %": 100 * reader.told()["cpu"]}


def paced(spin: Optional[Spin]) -> Dict[str, float]:
    ring = Ring(1)
    reader = Reader(ring, 0, spin)
    next_ns = time.monotonic_ns()
    for number in range(MESSAGES):
        next_ns += INTERVAL_NS
        time.sleep(max(0, next_ns - time.monotonic_ns()) / 1e9)
        send(ring, number, time.monotonic_ns(), spin)
    send(ring, MESSAGES, END, spin)
    told = reader.told()
    ordered = sorted(told["latencies_ns"])
    return {
        "p50, us": ordered[len(ordered) // 2] / 1e3,
        "p99, us": ordered[len(ordered) * 99 // 100] / 1e3,
        "CPU at one a ms, %": 100 * told["cpu"],
    }


def flood(spin: Optional[Spin]) -> Dict[str, float]:
    ring = Ring(READERS)
    readers = [Reader(ring, rank, spin) for rank in range(READERS)]
    began_ns = time.monotonic_ns()
    number = 0
    while time.monotonic_ns() - began_ns < FLOOD_S * 1e9:
        send(ring, number, 0, spin)
        number += 1
    send(ring, number, END, spin)
    assert all(len(reader.told()["latencies_ns"]) == number for reader in readers)
    return {"1 to 4, messages/s": number / (time.monotonic_ns() - began_ns) * 1e9}


def measure(rounds: int) -> Dict[str, Dict[str, float]]:
    spins: Mapping[str, Optional[Spin]] = {
        "no spin": None,
        "keeps the core": pausing(),
        "spinbed": spinloop.spinloop,
    }
    found: Dict[str, Dict[str, List[float]]] = {name: {} for name in spins}
    for _ in range(rounds):
        for provoke in (idle, paced, flood):
            for name, spin in spins.items():
                for what, figure in provoke(spin).items():
                    found[name].setdefault(what, []).append(figure)
    return {
        name: {what: statistics.median(figures) for what, figures in row.items()}
        for name, row in found.items()
    }


def pausing() -> Spin:
    with tempfile.TemporaryDirectory() as folder:
        source = ROOT / "benchmarks/peers/pausing.pyx"
        Path(folder, source.name).write_bytes(source.read_bytes())
        code = BUILD.format(root=str(ROOT))
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=300)
        path = next(Path(folder).glob("pausing*.so"))
        spec = importlib.util.spec_from_file_location("pausing", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    spin: Spin = module.spinloop
    return spin


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    found = measure(options.rounds)
    if options.json:
        print(json.dumps({"rung": spinloop.rung(), "figures": found}))
        return
    print(f"our rung: {spinloop.rung()}; {options.rounds} rounds")
    print(f"{'':24}" + "".join(f"{name:>16}" for name in found) + f"{'ours / keeps':>16}")
    for what in found["spinbed"]:
        row = [found[name][what] for name in found]
        cells = "".join(f"{figure:16,.1f}" for figure in row)
        print(f"{what:24}{cells}{row[-1] / row[-2]:16.3g}")


if __name__ == "__main__":
    main()
