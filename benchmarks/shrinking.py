"""How small each planted bug's failure becomes, and in what time.

A scenario larger than the bug needs is explored until it fails, and that execution is shrunk as
`spinbed shrink` does it. A line a bug, model and scheduler: steps, deviations from the default
schedule, processes and faults before and after, and seconds. "least" says that every execution of
the smaller plan with fewer deviations was tried, and none fails alike.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Iterator, Optional

from cy_kernels.explore import MODELS, MUTANTS
from sim.hang.explain import hang_class
from sim.scenario.loader import load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.virtual.exploring import Combination, Explorer
from sim.virtual.players import open_player
from sim.virtual.reduction import NOTHING
from sim.virtual.schedulers import parse
from sim.virtual.shrinking import Played, Shrunk, shrink

AS_SHIPPED = "as_shipped"  # flag_ring's order, a bug that nobody planted
FIRST_OF_PARK = MUTANTS.index("event-after-parked")
SCHEDULERS = ("random", "pct:3")
BUDGET_S = 9.0  # of one shrinking
EXPLORED_S = 3.0  # until a bug counts as silent
EXECUTIONS_AT_ONCE = 500

SCENARIO = """\
schema = 1
name = "shrinking"
story = "More readers, messages, bytes and faults than the bug needs."
worlds = ["virtual"]

[transport]
kind = "{ring}"
slots = {slots}
slot_bytes = 64
{order}

[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = {{ messages = 6, size_bytes = 24 }}

[[process]]
name = "reader"
role = "reader"
count = 3
wait = "park"
"""

RAISED = """
[[fault]]
kind = "raise_in_read"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 3 }
"""
# None of them makes a sound ring fail: the last is what no-release-on-raise needs.
FAULTS = f"""
[[fault]]
kind = "slow"
target = "reader[0]"
per_op = "20us"
at = {{ process = "reader[0]", after_ops = 1 }}
heal_after = "100us"

[[fault]]
kind = "stall"
target = "writer"
at = {{ process = "writer", after_ops = 2 }}
heal_after = "50us"
{RAISED}"""

WITH_FAULTS = ("no-data-fence", "no-release-on-raise", "no-recheck", "no-waker-fence")


@dataclass(frozen=True)
class Case:
    bug: str
    faults: str = ""  # as in the scenario

    @property
    def plan(self) -> Plan:
        ring = "cursor_ring" if self.bug in MUTANTS[FIRST_OF_PARK:] else "flag_ring"
        slots = 2 if self.bug == "step-over-not-ready" else 1
        order = f'order = "{AS_SHIPPED}"' if self.bug == AS_SHIPPED else ""
        text = SCENARIO.format(ring=ring, slots=slots, order=order) + self.faults
        (scenario,) = load_text(text, "shrinking.toml")
        plan = make_plan(scenario, 7)
        mutant = None if self.bug == AS_SHIPPED else self.bug
        return replace(plan, transport=replace(plan.transport, mutant=mutant))


def cases() -> Iterator[Case]:
    for bug in (*MUTANTS, AS_SHIPPED):
        yield Case(bug, RAISED if bug == "no-release-on-raise" else "")
    for bug in WITH_FAULTS:
        yield Case(bug, FAULTS)


@dataclass(frozen=True)
class Size:
    steps: int
    deviations: int
    processes: int
    faults: int

    @classmethod
    def of(cls, plan: Plan, played: Played) -> Size:
        deviations = len(played.choices) - played.choices.count(0)
        return cls(played.outcome.steps, deviations, len(plan.processes), len(plan.injections))

    def __str__(self) -> str:
        return f"{self.steps}, {self.deviations}, {self.processes}, {self.faults}"


@dataclass(frozen=True)
class Row:
    bug: str
    model: str
    scheduler: str
    failure: str
    before: Size
    after: Size
    is_least: bool
    seconds: float

    def __str__(self) -> str:
        least = "yes" if self.is_least else "not known"
        return (
            f"| {self.bug} | {self.model} | {self.scheduler} | {self.failure} | {self.before} "
            f"| {self.after} | {least} | {self.seconds:.1f} |"
        )


HEAD = """\
Steps, deviations, processes, faults.

| bug | model | scheduler | failure | before | after | least | seconds |
|---|---|---|---|---|---|---|---|"""


def failing(plan: Plan, model: str, scheduler: str, until_s: float) -> Optional[Played]:
    explorer = Explorer(Combination(plan, model, parse(scheduler)), time.monotonic)
    for first in count(0, EXECUTIONS_AT_ONCE):
        found, _ = explorer.explore(
            range(first, first + EXECUTIONS_AT_ONCE),
            counts_all=False,
            is_over=lambda: time.monotonic() >= until_s,
        )
        if found.first is not None:
            return found.first[1]
        if time.monotonic() >= until_s:
            break
    return None


def shrunk(plan: Plan, model: str, played: Played, budget_s: float) -> Shrunk:
    return shrink(
        plan,
        NOTHING,
        played,
        open_player=lambda smaller: open_player(smaller, model, time.monotonic),
        hang_of=lambda smaller, choices: hang_class(smaller, model, choices),
        now_s=time.monotonic,
        budget_s=budget_s,
    )


def measure(case: Case, model: str, scheduler: str, budget_s: float) -> Optional[Row]:
    """None: the bug is silent there."""
    plan = case.plan
    played = failing(plan, model, scheduler, time.monotonic() + EXPLORED_S)
    if played is None:
        return None
    began_s = time.monotonic()
    result = shrunk(plan, model, played, budget_s)
    seconds = time.monotonic() - began_s
    small = result.reduction.applied_to(plan)
    failure = str(result.played.outcome.failure)
    if failure == "stuck":
        failure = f"stuck: {hang_class(small, model, result.played.choices)}"
    return Row(
        bug=case.bug,
        model=model,
        scheduler=scheduler,
        failure=failure,
        before=Size.of(plan, played),
        after=Size.of(small, result.played),
        is_least=result.is_least,
        seconds=seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bug", choices=(*MUTANTS, AS_SHIPPED), help="only this one")
    parser.add_argument("--model", choices=MODELS, help="only this one")
    parser.add_argument("--scheduler", choices=SCHEDULERS, help="only this one")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of one shrinking")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    rows = []
    if not asked.json:
        print(HEAD)
    for case in cases():
        if asked.bug not in (None, case.bug):
            continue
        for model in [asked.model] if asked.model else MODELS:
            for scheduler in [asked.scheduler] if asked.scheduler else SCHEDULERS:
                row = measure(case, model, scheduler, asked.budget)
                if row is None:
                    continue
                rows.append(row)
                if not asked.json:
                    print(row, flush=True)
    if asked.json:
        print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
