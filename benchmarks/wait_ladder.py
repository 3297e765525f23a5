"""What each wait strategy costs: a paced reader's latency and processor time, and a crowd's rate.

One writer sends a message every 20 us, 300 us and 1 ms, by a clock of its own, to one reader that
waits by the strategy; then nothing for a second. What is measured: from the writer's commit to the
reader's next line of Python, and the processor time of the reader as a share of a core. Then one
writer and four readers, all of whom wait by the strategy, as fast as they can. Strategies take
turns in every round; the figures are medians over rounds. What this host lacks is left out.
"""

from __future__ import annotations

import argparse
import json
import mmap
import multiprocessing
import os
import statistics
import sys
import time
from typing import Any, Dict, List, Sequence, Tuple

from cy_kernels import cpu, ring
from cy_kernels.errors import RingEnded

PACES_NS = {"20 us": 20_000, "300 us": 300_000, "1 ms": 1_000_000}
PACED_S = 0.5
IDLE_S = 1.0
FLOOD_S = 0.5
READERS = 4
HANG_NS = 30 * 10**9
STAMP_BYTES = 8
FORK = multiprocessing.get_context("fork")  # the region is inherited


def region(readers: int) -> Tuple[memoryview, Dict[str, int]]:
    geometry = {"slots": 64, "slot_bytes": 64, "readers": readers}
    buffer = memoryview(mmap.mmap(-1, ring.cursor_region_bytes(**geometry)))
    ring.cursor_format(buffer, **geometry)
    return buffer, geometry


def read_all(buffer: memoryview, geometry: Any, rank: int, wait: str, told: Any) -> None:
    """Read to the end; tells when it is there, then the latencies and its processor time."""
    reader = ring.CursorReader(buffer, rank=rank, wait=wait, **geometry)
    told.send(reader.wait)
    began_s = time.process_time()
    latencies: List[int] = []
    try:
        while True:
            stamp = int.from_bytes(reader.receive(time.monotonic_ns() + HANG_NS), "little")
            latencies.append(time.monotonic_ns() - stamp)
    except RingEnded:
        told.send((latencies, time.process_time() - began_s))


class Crowd:
    """Readers in processes of their own, and our writer."""

    def __init__(self, wait: str, readers: int) -> None:
        buffer, geometry = region(readers)
        self.pipes, self.processes = [], []
        for rank in range(readers):
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=read_all, args=(buffer, geometry, rank, wait, theirs))
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()
        self.writer = ring.CursorWriter(buffer, wait=wait, **geometry)

    def send(self) -> None:
        stamp = time.monotonic_ns()
        self.writer.send(stamp.to_bytes(STAMP_BYTES, "little"), stamp + HANG_NS)

    def end(self) -> List[Tuple[List[int], float]]:
        self.writer.end()
        told = [pipe.recv() for pipe in self.pipes]
        for process in self.processes:
            process.join()
        return told


def paced(wait: str, interval_ns: int) -> Dict[str, float]:
    crowd = Crowd(wait, 1)
    began_ns = due_ns = time.monotonic_ns()
    while due_ns < began_ns + PACED_S * 1e9:
        due_ns += interval_ns
        while time.monotonic_ns() < due_ns:  # the writer keeps its core, and its pace
            pass
        crowd.send()
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    ((latencies, cpu_s),) = crowd.end()
    cuts = statistics.quantiles(latencies, n=100)
    return {"p50_us": cuts[49] / 1e3, "p99_us": cuts[98] / 1e3, "cpu_percent": 100 * cpu_s / took_s}


def idle(wait: str) -> float:
    """Percent of a core."""
    crowd = Crowd(wait, 1)
    time.sleep(IDLE_S)
    ((_, cpu_s),) = crowd.end()
    return 100 * cpu_s / IDLE_S


def flood(wait: str) -> float:
    """Messages a second to all of four readers."""
    crowd = Crowd(wait, READERS)
    began_ns, count = time.monotonic_ns(), 0
    while time.monotonic_ns() < began_ns + FLOOD_S * 1e9:
        for _ in range(16):
            crowd.send()
        count += 16
    crowd.end()
    return count / (time.monotonic_ns() - began_ns) * 1e9


def measured(waits: Sequence[str], rounds: int) -> Dict[str, Dict[str, float]]:
    found: Dict[str, Dict[str, List[float]]] = {wait: {} for wait in waits}
    for _ in range(rounds):
        for wait in waits:
            for pace, interval_ns in PACES_NS.items():
                for name, value in paced(wait, interval_ns).items():
                    found[wait].setdefault(f"{pace}: {name}", []).append(value)
            found[wait].setdefault("idle: cpu_percent", []).append(idle(wait))
            found[wait].setdefault("four readers: messages/s", []).append(flood(wait))
    return {
        wait: {name: statistics.median(values) for name, values in each.items()}
        for wait, each in found.items()
    }


def table(found: Dict[str, Dict[str, float]]) -> str:
    paces = "".join(f"{'every ' + pace + ': p50 / p99 us, cpu':>34}" for pace in PACES_NS)
    lines = [f"{'':10}{paces}{'idle cpu':>10}{'1 to 4, messages/s':>20}"]
    for wait, each in found.items():
        line = f"{wait:10}"
        for pace in PACES_NS:
            p50, p99 = each[f"{pace}: p50_us"], each[f"{pace}: p99_us"]
            line += f"{f'{p50:.1f} / {p99:.0f}, ':>28}{each[f'{pace}: cpu_percent']:>4.0f} %"
        line += f"{each['idle: cpu_percent']:>8.1f} %{each['four readers: messages/s']:>20,.0f}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wait", nargs="*", help="strategies; all that this host has, if none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    told = parser.parse_args()
    features = cpu.features()
    able = [wait for wait in ring.ASKED_FOR if cpu.can_run(wait, features) is None]
    for wait in told.wait:
        if wait not in able:
            parser.error(f"this host does not run {wait!r}, only {', '.join(able)}")
    found = measured(told.wait or able, told.rounds)
    print(json.dumps(found, indent=1) if told.json else table(found))
    print(f"{os.cpu_count()} cores; medians of {told.rounds} rounds", file=sys.stderr)


if __name__ == "__main__":
    main()
