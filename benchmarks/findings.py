"""How soon each planted bug is found, model by model and scheduler by scheduler.

For each of so many seeds: executions until one is stuck or an oracle objects. A cell says the
median of those, and how many seeds found nothing within the limit; "silent" is all of them.

python benchmarks/findings.py --page    writes docs/findings.md
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Optional, Tuple

from cy_kernels.explore import MODELS, MUTANTS, Simulation
from sim.virtual.schedulers import Scheduler, measured, parse

PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
AS_SHIPPED = "as_shipped"  # flag_ring's order, a bug that nobody planted
BUGS = (*MUTANTS, AS_SHIPPED)
SCHEDULERS = ("random", "pct:3", "pos", "delay:2", "round_robin")
FIRST_OF_PARK = MUTANTS.index("event-after-parked")
SEED_STRIDE = 1 << 32


@dataclass(frozen=True)
class Cell:
    bug: str
    ring: str
    model: str
    scheduler: str
    seeds: int
    missed: int
    executions: Optional[float]  # median over the seeds that found it
    seconds: Optional[float]  # of the processor, likewise

    def __str__(self) -> str:
        if self.executions is None or self.seconds is None:
            return "silent"
        missed = f", {self.missed} missed" if self.missed else ""
        return f"{self.executions:,.0f} ({self.seconds * 1e3:.2g} ms{missed})"


def ring_of(bug: str) -> str:
    return "cursor_ring" if bug in MUTANTS[FIRST_OF_PARK:] else "flag_ring"


def machine(bug: str, model: str) -> Simulation:
    """A writer and two readers, three messages of 16 bytes, one slot (or two to step over to)."""
    made = Simulation(3, model=model)
    made.set_ring(
        ring_of(bug),
        slots=2 if bug == "step-over-not-ready" else 1,
        slot_bytes=64,
        readers=2,
        sizes=(16,),
        is_fenced=bug != AS_SHIPPED,
        mutant=None if bug == AS_SHIPPED else bug,
    )
    made.set_writer(messages=3)
    for rank in range(2):
        made.set_reader(1 + rank, rank=rank)
    return made


def once(made: Simulation, seed: int, raises: bool) -> None:
    made.begin(seed)
    if raises:
        made.hold_after(1, 1)
    made.start()
    if made.go() == "reached":
        made.raise_in_read(1)
        made.release(1)
        made.go()


def find(made: Simulation, bug: str, seed: int, limit: int) -> Optional[int]:
    """Executions until it is found; None: not within the limit."""
    if bug == "no-release-on-raise":  # reader 1 raises in the middle of its second message
        for each in range(limit):
            once(made, seed + each, True)
            if made.stop != "ended":
                return each + 1
        return None
    done, _ = made.execute_many(seed, limit)
    return None if made.stop == "ended" else done


def measure(bug: str, model: str, scheduler: Scheduler, seeds: int, limit: int) -> Cell:
    made = machine(bug, model)
    choices = measured(made, lambda: once(made, 0, False))
    found: List[Tuple[int, float]] = []
    scheduler.choose(made, choices)
    tries, most = (seeds, limit) if scheduler.has_dice else (1, 1)
    for seed in range(tries):
        began = time.process_time()
        executions = find(made, bug, seed * SEED_STRIDE, most)
        if executions is not None:
            found.append((executions, time.process_time() - began))
    medians = [statistics.median(column) for column in zip(*found)] or [None, None]
    return Cell(bug, ring_of(bug), model, str(scheduler), tries, tries - len(found), *medians)


def table(cells: List[Cell]) -> List[str]:
    lines = [
        "| bug | ring | model | " + " | ".join(SCHEDULERS) + " |",
        "|---|---|---|" + "---|" * len(SCHEDULERS),
    ]
    for at in range(0, len(cells), len(SCHEDULERS)):
        row = cells[at : at + len(SCHEDULERS)]
        first = row[0]
        shown = " | ".join(str(cell) for cell in row)
        lines.append(f"| {first.bug} | {first.ring} | {first.model} | {shown} |")
    return lines


def page(cells: List[Cell], seeds: int, limit: int) -> str:
    head = f"""\
# How soon each planted bug is found

Made by `python benchmarks/findings.py --page --seeds {seeds} --limit {limit}`; the times are of one
loaded machine, the executions are the same everywhere.

One writer, two readers, three messages of 16 bytes, one slot. Each cell: the median over {seeds}
seeds of the executions until one was stuck or an oracle objected, its processor time, and how many
seeds found nothing in {limit:,} executions. *silent*: none did. round_robin has no dice, so it is
one execution. What each bug is: `cy_kernels/protocol/flag_mutants.pxi` and `park_mutants.pxi`;
as_shipped is flag_ring's order without the added fences.
"""
    return "\n".join([head, *table(cells), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--limit", type=int, default=2_000, help="executions of one seed")
    parser.add_argument("--bug", choices=BUGS, help="only this one")
    parser.add_argument("--page", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    cells = [
        measure(bug, model, parse(scheduler), asked.seeds, asked.limit)
        for bug in ([asked.bug] if asked.bug else BUGS)
        for model in MODELS
        for scheduler in SCHEDULERS
    ]
    if asked.page:
        PAGE.write_text(page(cells, asked.seeds, asked.limit), encoding="utf-8")
    print(json.dumps([asdict(cell) for cell in cells]) if asked.json else "\n".join(table(cells)))


if __name__ == "__main__":
    main()
