"""What a simulated step and a simulated execution cost, tape and oracles on.

One writer, two readers, four messages, TSO, the random walk; the same handshake under peers that
explore Python, where they are installed; then one simulated hour of which nobody does anything, and
the memory of the process over many executions. Seconds are of the processor.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

from cy_kernels.explore import MODELS, Simulation
from sim.virtual.schedulers import SCHEDULERS, Scheduler

HOUR_NS = 3_600_000_000_000
BATCH = 20_000  # executions between two looks at the clock
PEERS = Path(__file__).resolve().parent / "peers"
PEER_COMMANDS = {  # their programs print JSON; frontrun's only runs under its own command
    "frontrun": ["-m", "frontrun.cli", sys.executable, str(PEERS / "frontrun_handshake.py")],
    "simloom": [str(PEERS / "simloom_handshake.py")],
}
PEER_WATCHDOG_S = 300


def machine(
    model: str,
    messages: int = 4,
    interval_ns: int = 0,
    ring: str = "cursor_ring",
    slots: int = 2,
) -> Simulation:
    made = Simulation(3, model=model)
    made.set_ring(ring, slots=slots, slot_bytes=64, readers=2, sizes=(16,))
    made.set_writer(messages=messages, interval_ns=interval_ns)
    for rank in range(2):
        made.set_reader(1 + rank, rank=rank)
    return made


def rate(made: Simulation, scheduler: Scheduler, rounds: int) -> Dict[str, float]:
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


def peer_rates(executions: int) -> Dict[str, Optional[Dict[str, float]]]:
    """Of each peer and way to explore; None: not installed."""
    figures: Dict[str, Optional[Dict[str, float]]] = {}
    for peer, command in PEER_COMMANDS.items():
        if importlib.util.find_spec(peer) is None:
            figures[peer] = None
            continue
        run = subprocess.run(
            [sys.executable, *command, str(executions)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=PEER_WATCHDOG_S,
            check=True,
        )
        for name, executions_s in json.loads(run.stdout).items():
            figures[name] = {"executions_s": executions_s}
    return figures


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
    parser.add_argument("--peer-executions", type=int, default=200, help="of each peer")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    figures: Dict[str, object] = {}
    for model in MODELS:
        figures[f"{model} random"] = rate(machine(model), Scheduler("random"), asked.rounds)
    for name, kind in SCHEDULERS.items():
        if name != "random":
            scheduler = Scheduler(name, kind.depth)
            figures[f"tso {scheduler}"] = rate(machine("tso"), scheduler, asked.rounds)
    flags = machine("tso", ring="flag_ring", slots=1)
    figures["tso flag_ring"] = rate(flags, Scheduler("random"), asked.rounds)
    figures.update(peer_rates(asked.peer_executions))
    figures["idle_hour_ms"] = idle_hour_ms()
    figures["peak_kib"] = peak_kib(int(asked.executions))
    if asked.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        if figure is None:
            print(f"{name:<16} not installed")
        elif isinstance(figure, dict):
            steps = f"{figure['steps_s'] / 1e6:6.1f} M steps/s" if "steps_s" in figure else ""
            print(f"{name:<16} {steps:>16}  {figure['executions_s']:>9,.0f} executions/s")
    print(f"one idle hour    {figures['idle_hour_ms']:.3f} ms")
    first, last = peak_kib_of(figures)
    print(f"memory           {first:,} KiB after a tenth, {last:,} KiB after all executions")


def peak_kib_of(figures: Dict[str, object]) -> List[int]:
    peaks = figures["peak_kib"]
    assert isinstance(peaks, list)
    return peaks


if __name__ == "__main__":
    main()
