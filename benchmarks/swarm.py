"""Swarm over the two sound rings on every model until so many steps are done.

Prints a line a ring and model: experiments, steps, faults that fired, steps a second. Exit status 1
where anything was found, with the seed that finds it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import List, Sequence

from cy_kernels.explore import MODELS
from sim.virtual import swarm


@dataclass(frozen=True)
class Row:
    ring: str
    model: str
    experiments: int
    steps: int
    fired: int
    live: int  # experiments of which liveness was demanded
    seconds: float  # of the processor
    findings: Sequence[str]

    def __str__(self) -> str:
        rate = self.steps / self.seconds / 1e6
        line = (
            f"{self.ring:<12} {self.model:<4} {self.experiments:>9,} experiments"
            f" {self.steps:>14,} steps {self.fired:>9,} faults {self.live:>9,} live"
            f" {rate:>6.1f} M steps/s  {len(self.findings)} findings"
        )
        return "\n".join([line, *(f"    {finding}" for finding in self.findings)])


def measure(ring: str, model: str, steps: int, first_seed: int, findings_max: int) -> Row:
    began = time.process_time()
    done = fired = live = 0
    seed = first_seed
    findings: List[str] = []
    while done < steps and len(findings) < findings_max:
        outcome = swarm.execute(swarm.draw(seed, ring=ring, model=model))
        done += outcome.steps
        fired += outcome.fired
        live += outcome.is_live
        if outcome.finding is not None:
            findings.append(f"seed {seed}: {outcome.finding}")
        seed += 1
    seconds = time.process_time() - began
    return Row(ring, model, seed - first_seed, done, fired, live, seconds, findings)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=float, default=1e7, help="of each ring and model")
    parser.add_argument("--ring", choices=swarm.RINGS, help="only this one")
    parser.add_argument("--model", choices=MODELS, help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def main() -> None:
    asked = parser().parse_args()
    rows = []
    for ring in [asked.ring] if asked.ring else swarm.RINGS:
        for model in [asked.model] if asked.model else MODELS:
            rows.append(measure(ring, model, int(asked.steps), asked.seed, findings_max=5))
            if not asked.json:
                print(rows[-1], flush=True)
    if asked.json:
        print(json.dumps([asdict(row) for row in rows]))
    sys.exit(any(row.findings for row in rows))


if __name__ == "__main__":
    main()
