"""How many live scenarios a second: 1 writer, 2 readers, 100 messages, all of it by the command."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Sequence

# The sweep only makes one file many runs: a slot more or less changes nothing that is measured.
SCENARIO = """\
schema = 1
name = "live-rate"
story = "One writer, two readers, 100 messages: the unit of the live rate."
[transport]
kind = "cursor_ring"
slots = 64
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = {{ messages = 100, size_bytes = 64, deadline = "5s" }}
[[process]]
name = "reader"
role = "reader"
count = 2
wait = "park"
workload = {{ deadline = "5s" }}
[sweep.product]
"transport.slots" = {slots}
"""
COMMAND_WATCHDOG_S = 600


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    figures = measure(runs=options.runs, jobs=options.jobs, rounds=options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"{figures['per_second']:.0f} live scenarios/s, --jobs {options.jobs} "
        f"(median of {options.rounds} x {options.runs} runs; from {figures['slowest']:.0f} to "
        f"{figures['fastest']:.0f}; starting the command took {figures['start_s']:.2f} s more)"
    )


def measure(*, runs: int, jobs: int, rounds: int) -> Dict[str, float]:
    """The start of the command is measured with a single run, and counted apart."""
    rates: List[float] = []
    starts_s: List[float] = []
    with tempfile.TemporaryDirectory(prefix="live_rate-") as folder:
        one = _scenario(Path(folder, "one.toml"), 1)
        many = _scenario(Path(folder, "many.toml"), runs + 1)
        for _ in range(rounds):
            start_s = _command_s(one, jobs)
            starts_s.append(start_s)
            rates.append(runs / (_command_s(many, jobs) - start_s))
    return {
        "per_second": statistics.median(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "start_s": statistics.median(starts_s),
        "runs": runs,
        "jobs": jobs,
        "rounds": rounds,
    }


def _scenario(path: Path, runs: int) -> Path:
    path.write_text(SCENARIO.format(slots=list(range(64, 64 + runs))), encoding="utf-8")
    return path


def _command_s(path: Path, jobs: int) -> float:
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "run", str(path), "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=path.parent,  # its journals go there too
        env={**os.environ, "NO_COLOR": "1"},
        timeout=COMMAND_WATCHDOG_S,
    )
    took_s = time.monotonic() - began_s
    if done.returncode != 0:
        sys.exit(f"the run ended with {done.returncode}; no figure:\n{done.stdout}")
    return took_s


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs a round (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default 2)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    main()
