"""What a simulated step and a simulated execution cost, tape and oracles on.

One writer, two readers, four messages, TSO, the random walk; then one simulated hour of which
nobody does anything, and the memory of the process over many executions.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from typing import Dict, List

from cy_kernels.explore import MODELS, Simulation
from sim.virtual.schedulers import SCHEDULERS, Scheduler

HOUR_NS = 3_600_000_000_000
BATCH = 20_000  # executions between two looks at the clock


def machine(model: str, messages: int = 4, interval_ns: int = 0) -> Simulation:
    made = Simulation(3, model=model)
    made.set_ring("cursor_ring", slots=2, slot_bytes=64, readers=2, sizes=(16,))
    made.set_writer(messages=messages, interval_ns=interval_ns)
    for rank in range(2):
        made.set_reader(1 + rank, rank=rank)
    return made


def rate(model: str, scheduler: Scheduler, rounds: int) -> Dict[str, float]:
    made = machine(model)
    scheduler.choose(made, 200)
    steps, executions = [], []
    for each in range(rounds):
        began = time.process_time()
        done, moves = made.execute_many(each * BATCH, BATCH)
        seconds = time.process_time() - began
        assert (done, made.stop) == (BATCH, "ended")
        steps.append(moves / seconds)
        executions.append(done / seconds)
    return {"steps_s": statistics.median(steps), "executions_s": statistics.median(executions)}


def idle_hour_ms() -> float:
    """The second of two messages is due an hour after the first."""
    made = machine("tso", messages=2, interval_ns=HOUR_NS)
    began = time.process_time()
    done, _ = made.execute_many(0, 1)
    seconds = time.process_time() - began
    assert (done, made.stop) == (1, "ended") and made.clock_ns > HOUR_NS
    return seconds * 1e3


def peak_kib(executions: int) -> List[int]:
    """The most memory the process ever had, after a tenth of the executions and after all."""
    made = machine("tso")
    peaks = []
    for count in (executions // 10, executions - executions // 10):
        done, _ = made.execute_many(0, count)
        assert done == count
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help=f"of {BATCH:,} executions each")
    parser.add_argument("--executions", type=float, default=1e6, help="for the memory")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    figures: Dict[str, object] = {}
    for model in MODELS:
        figures[f"{model} random"] = rate(model, Scheduler("random"), asked.rounds)
    for name, kind in SCHEDULERS.items():
        if name != "random":
            scheduler = Scheduler(name, kind.depth)
            figures[f"tso {scheduler}"] = rate("tso", scheduler, asked.rounds)
    figures["idle_hour_ms"] = idle_hour_ms()
    figures["peak_kib"] = peak_kib(int(asked.executions))
    if asked.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        if isinstance(figure, dict):
            million, thousand = figure["steps_s"] / 1e6, figure["executions_s"] / 1e3
            print(f"{name:<16} {million:6.1f} M steps/s  {thousand:7.1f} k executions/s")
    print(f"one idle hour    {figures['idle_hour_ms']:.3f} ms")
    first, last = peak_kib_of(figures)
    print(f"memory           {first:,} KiB after a tenth, {last:,} KiB after all executions")


def peak_kib_of(figures: Dict[str, object]) -> List[int]:
    peaks = figures["peak_kib"]
    assert isinstance(peaks, list)
    return peaks


if __name__ == "__main__":
    main()
