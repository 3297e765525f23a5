"""How often what the simulator found shows in real processes, driven through the tape's order.

Each planted bug that x86 can show is explored under TSO, and its tape shrunk and replayed live. Of
each crash site one simulated execution in which the process dies there is replayed: it shows where
everybody does the same, to the last operation, and the dead one died before that very step.

python benchmarks/cross_fidelity.py --page    writes docs/cross-fidelity.md
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from cy_kernels.explore import MUTANTS
from sim.errors import ScenarioError
from sim.hang.explain import hang_class
from sim.replaying import Try, driven, order_from
from sim.scenario.loader import load_text
from sim.scenario.plan import AtStep, Plan
from sim.scenario.planning import make_plan
from sim.scenario.turns import AT_STEP, Order
from sim.virtual.players import open_player
from sim.virtual.reduction import NOTHING, Reduction
from sim.virtual.schedulers import parse
from sim.virtual.shrinking import Played, shrink
from sim.virtual.tape import Tape
from sim.worlds import Worlds

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cross-fidelity.md"
MODEL = "tso"
SCHEDULERS = ("pos", "random", "pct:3")
EXECUTIONS = 3_000
SHRINKING_S = 5.0
SEEDS = 40  # executions, until one comes to the crash site
# Enough to come to every site; the rest of the file's messages are more of the same.
SMALL = (
    Reduction(injections=(0,), messages=8, after_ops=2),
    Reduction(messages=12, after_ops=4),
    Reduction(messages=40, after_ops=12),
)

MUTANT = """\
schema = 1
name = "planted"
stall_threshold = "1s"

[transport]
kind = "flag_ring"
mutant = "{mutant}"
slots = {slots}
slot_bytes = 64

[[process]]
name = "writer"
role = "writer"
wait = "{wait}"
workload = {{ messages = 4, size_bytes = 16 }}

[[process]]
name = "reader"
role = "reader"
count = 2
wait = "{wait}"
"""
RAISES = """
[[fault]]
kind = "raise_in_read"
target = "reader[0]"
at = { after_ops = 1 }
"""
NOT_LIVE = {
    "no-data-fence": "x86 keeps stores in order: TSO has no such execution",
    "no-waiter-fence": "shows in cursor_ring alone, whose live ends have no planted bugs",
    "no-waker-fence": "shows in cursor_ring alone, whose live ends have no planted bugs",
}

NOT_ALWAYS = (
    "Not in every try, since time-outs and a writer's look for dead readers come by the real clock:"
)


@dataclass(frozen=True)
class Row:
    what: str
    failure: str
    turns: int
    tries: int
    showed: int
    rest: str


def mutant_text(mutant: str) -> str:
    # Who steps over slots must poll as often as the simulated one: it does not park.
    wait = "yielding" if mutant == "step-over-not-ready" else "park"
    text = MUTANT.format(mutant=mutant, wait=wait, slots=2 if wait == "yielding" else 1)
    return text + (RAISES if mutant == "no-release-on-raise" else "")


def found(text: str) -> Tape:
    """The shrunk tape of the first failure with an end."""
    (scenario,) = load_text(text, "planted.toml")
    plan = make_plan(scenario, 0)
    for scheduler in SCHEDULERS:
        player = open_player(plan, MODEL, time.monotonic)
        for seed in range(EXECUTIONS):
            made = player.execute(parse(scheduler), seed)
            if made.outcome.failure not in (None, "out_of_steps"):
                return shrunk(tape_of(text, "planted", NOTHING, scheduler, seed, made))
    raise SystemExit(f"nothing found: {text}")


def tape_of(
    text: str, name: str, reduction: Reduction, scheduler: str, seed: int, made: Played
) -> Tape:
    choices = (made.choices, made.outcome)
    return Tape("planted.toml", text, name, 0, reduction, MODEL, scheduler, seed, *choices)


def shrunk(tape: Tape) -> Tape:
    small = shrink(
        tape.plan(),
        NOTHING,
        Played(tape.choices, tape.outcome, False),
        open_player=lambda plan: open_player(plan, MODEL, time.monotonic),
        hang_of=lambda plan, choices: hang_class(plan, MODEL, choices),
        now_s=time.monotonic,
        budget_s=SHRINKING_S,
    )
    choices, outcome = small.played.choices, small.played.outcome
    return replace(tape, reduction=small.reduction, choices=choices, outcome=outcome)


def row(what: str, tape: Tape, order: Order, tries: int, worlds: Worlds) -> Row:
    plan = tape.plan()
    made = [driven(tape, plan, order, worlds) for _ in range(tries)]
    failure = tape.outcome.failure or "dies, and all is well"
    rest = "; ".join(f"{count}: {why}" for why, count in Counter(map(_why, made)).items() if why)
    return Row(what, failure, len(order.turns), tries, sum(each.showed for each in made), rest)


def _why(each: Try) -> str:
    if each.showed:
        return ""
    return each.diverged or "it went otherwise behind the end of the order"


def mutant_rows(tries: int, worlds: Worlds) -> Iterator[Row]:
    for mutant in MUTANTS:
        if mutant in NOT_LIVE:
            yield Row(mutant, "", 0, 0, 0, NOT_LIVE[mutant])
            continue
        tape = found(mutant_text(mutant))
        yield row(mutant, tape, order_from(tape, tape.plan(), mutant), tries, worlds)


def crash_sites() -> Iterator[Tuple[str, Plan, str]]:
    """The text, the plan and the file's name of each crash at a step in the slow scenarios."""
    for file in sorted((ROOT / "scenarios" / "slow").glob("crash_*.toml")):
        text = file.read_text(encoding="utf-8")
        for scenario in load_text(text, str(file)):
            plan = make_plan(scenario, 0)
            if any(isinstance(each.trigger, AtStep) for each in plan.injections):
                yield text, plan, file.stem


def tape_to(text: str, plan: Plan) -> Optional[Tuple[Tape, Order]]:
    """An execution in which the process comes to its step; small, if that can be."""
    for reduction in SMALL:
        small = reduction.applied_to(plan)
        player = open_player(small, MODEL, time.monotonic)
        for seed in range(SEEDS):
            made = player.execute(parse("random"), seed)
            tape = tape_of(text, plan.name, reduction, "random", seed, made)
            order = order_from(tape, small, plan.name)
            if made.outcome.failure is None and any(t.kind == AT_STEP for t in order.turns):
                return tape, order
    return None


def crash_rows(tries: int, only: str, worlds: Worlds) -> Iterator[Row]:
    for text, plan, file in crash_sites():
        if only not in f"{file} {plan.name}":
            continue
        try:
            made = tape_to(text, plan)
        except ScenarioError as error:
            yield Row(f"{file}: {plan.name}", "", 0, 0, 0, str(error))
            continue
        if made is None:
            why = f"no execution of {SEEDS} came there"
            yield Row(f"{file}: {plan.name}", "", 0, 0, 0, why)
        else:
            yield row(f"{file}: {plan.name}", *made, tries, worlds)


def rate(rows: Sequence[Row]) -> str:
    tries, showed = sum(r.tries for r in rows), sum(r.showed for r in rows)
    return f"{showed} of {tries} ({showed / tries:.1%})" if tries else "-"


def page(mutants: Sequence[Row], crashes: Sequence[Row], asked: argparse.Namespace) -> str:
    lines = [
        "# What the simulator found, in real processes",
        "",
        f"Made by `python benchmarks/cross_fidelity.py --page --tries {asked.tries} "
        f"--crash-tries {asked.crash_tries}`.",
        "",
        "[`spinbed replay --world live`](replaying-live.md) drives real processes through the order"
        " of a tape. Each planted bug",
        "that x86 can show was explored under TSO, and its tape shrunk. *Turns* are the ops of that"
        " order.",
        "",
        "| planted bug | fails by | turns | showed | else |",
        "|---|---|---|---|---|",
    ]
    for each in mutants:
        showed = f"{each.showed} of {each.tries}" if each.tries else "not tried"
        turns = each.turns or ""
        lines.append(f"| {each.what} | {each.failure} | {turns} | {showed} | {each.rest} |")
    lines += [
        "",
        "Of each crash site of `scenarios/slow/crash_*.toml`, with fewer messages, one execution in"
        " which the process dies",
        "there. It shows where the process died before that step, and every life did the same"
        " operations as in the",
        "simulator, with the same ends.",
        "",
        "| scenario | sites | sites that showed in every try | tries that showed |",
        "|---|---|---|---|",
    ]
    files: Dict[str, List[Row]] = {}
    for each in crashes:
        files.setdefault(each.what.split(":")[0], []).append(each)
    for file, rows in [*files.items(), ("all", list(crashes))]:
        always = sum(r.tries > 0 and r.showed == r.tries for r in rows)
        lines.append(f"| {file} | {len(rows)} | {always} | {rate(rows)} |")
    missed = [each for each in crashes if each.showed < each.tries or not each.tries]
    if missed:
        lines += ["", NOT_ALWAYS, ""]
        lines += [
            f"- `{r.what.split(': ', 1)[1]}`: {r.showed} of {r.tries}. {r.rest}" for r in missed
        ]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=20, help="of each planted bug")
    parser.add_argument("--crash-tries", type=int, default=5, help="of each crash site")
    parser.add_argument("--only", default="", help="crash sites with this in their name")
    parser.add_argument("--page", action="store_true", help=f"write docs/{PAGE.name}")
    asked = parser.parse_args()
    mutants: List[Row] = []
    crashes: List[Row] = []
    with Worlds() as worlds:
        if not asked.only:
            for each in mutant_rows(asked.tries, worlds):
                mutants.append(each)
                print(each, flush=True)
        for each in crash_rows(asked.crash_tries, asked.only, worlds):
            crashes.append(each)
            print(f"{each.showed} of {each.tries}  {each.what}  {each.rest}", flush=True)
    print(f"crash sites: {rate(crashes)}")
    if asked.page:
        PAGE.write_text(page(mutants, crashes, asked), encoding="utf-8")


if __name__ == "__main__":
    main()
