"""Swarm over the two sound rings on every model until so many steps are done.

Prints a line a ring and model: experiments, steps, faults that fired, steps a second. Exit status 1
where anything was found, with the seed that finds it again.

--recheck N runs N experiments of each ring twice instead, of a model that the seed draws too, and
prints one digest of all their hashes and tapes: the same on every interpreter and machine. Exit
status 1 where the second time was not as the first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from typing import List, Optional, Sequence, Tuple, Union

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

    @property
    def is_bad(self) -> bool:
        return bool(self.findings)

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


@dataclass(frozen=True)
class Recheck:
    ring: str
    interpreter: str
    experiments: int  # each run twice
    different: Sequence[int]  # seeds whose second time was not as the first
    digest: str  # of all first times

    @property
    def is_bad(self) -> bool:
        return bool(self.different)

    def __str__(self) -> str:
        line = f"{self.ring:<12} {self.interpreter:<16} {self.experiments:>9,} experiments twice"
        seeds = ", ".join(str(seed) for seed in self.different)
        return f"{line}  {self.digest}  different: {seeds or 'none'}"


def traits(ring: str, model: Optional[str], seed: int) -> Tuple[int, bytes]:
    """The hash of all that happened in the experiment of a seed, and its tape."""
    run = swarm.Run(swarm.draw(seed, ring=ring, model=model))
    run.execute()
    return run.simulation.hash, run.simulation.tape


def recheck(ring: str, model: Optional[str], experiments: int, first_seed: int) -> Recheck:
    whole = hashlib.sha256()
    different = []
    for seed in range(first_seed, first_seed + experiments):
        hash, tape = traits(ring, model, seed)
        if traits(ring, model, seed) != (hash, tape):
            different.append(seed)
        whole.update(hash.to_bytes(8, "little"))
        whole.update(tape)
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    return Recheck(ring, interpreter, experiments, different, whole.hexdigest()[:32])


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=float, default=1e7, help="of each ring and model")
    parser.add_argument("--ring", choices=swarm.RINGS, help="only this one")
    parser.add_argument("--model", choices=MODELS, help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    parser.add_argument(
        "--recheck", type=int, metavar="N", help="instead: N experiments of each ring, twice"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def main() -> None:
    asked = parser().parse_args()
    rows: List[Union[Row, Recheck]] = []
    for ring in [asked.ring] if asked.ring else swarm.RINGS:
        if asked.recheck:
            rows.append(recheck(ring, asked.model, asked.recheck, asked.seed))
            show(rows[-1], asked.json)
            continue
        for model in [asked.model] if asked.model else MODELS:
            rows.append(measure(ring, model, int(asked.steps), asked.seed, findings_max=5))
            show(rows[-1], asked.json)
    if asked.json:
        print(json.dumps([asdict(row) for row in rows]))
    sys.exit(any(row.is_bad for row in rows))


def show(row: Union[Row, Recheck], as_json: bool) -> None:
    if not as_json:
        print(row, flush=True)


if __name__ == "__main__":
    main()
