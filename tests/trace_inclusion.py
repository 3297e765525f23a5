"""Many live runs whose journals are checked, and journals with one op edited that are refused.

    python tests/trace_inclusion.py --runs 10000        runs of rings, faults among them
    python tests/trace_inclusion.py --edits 1000        edits of each kind, of the journals of some

The exit status is 1 where a run is not an execution that the simulated machine allows.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from sim import run as story
from sim.history import journal
from sim.history.history import History
from sim.history.op import (
    CLOSED,
    ENDED,
    EVICTED,
    FAIL,
    INVOKE,
    OK,
    RECEIVE,
    SEND,
    TIMEOUT,
    TYPES,
    Op,
)
from sim.inclusion.account import Impossible, NotTold
from sim.inclusion.inclusion import include
from sim.loading import load_all
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.worlds import Worlds

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
FOLDERS = ("smoke", "fast", "slow")
# Runs of them take longer than a second, or are not of what is simulated.
LEFT_OUT = (
    *("sixty-four-readers", "corrupted", "newer-region", "truncated", "raised-at-step", "raise-at"),
    *("cpu", "crowded", "oversubscribed", "soak", "limited", "start-methods", "large-messages"),
)
LONG_S = 1.0  # a run that takes longer, as one that is stalled does, is made once
TOLD_EVERY = 1_000  # runs
LONGEST = 3_000  # ops of a journal that is edited: the rest is more of the same


def plans(seed: int, folders: Sequence[str] = FOLDERS) -> List[Plan]:
    """Of every ring scenario that takes this host milliseconds."""
    found = []
    for scenario in load_all([SCENARIOS / folder for folder in folders]):
        if any(word in scenario.name for word in LEFT_OUT) or "live" not in scenario.worlds:
            continue
        plan = make_plan(scenario, seed, "live")
        is_ours = all(each.python is None for each in plan.processes)  # no other is built for
        if is_ours and not plan.is_of_programs and story.lacks(plan) is None:
            found.append(plan)
    return found


def history_of(plan: Plan, worlds: Worlds, folder: Path) -> History:
    """By way of a journal on disk, as the command reads it."""
    file = folder / "run.jsonl"
    story.run(plan, worlds, reproduce="", journal=file)
    return journal.read(file)


def verdict(plan: Plan, history: History) -> str:
    try:
        include(plan, history)
    except Impossible as why:
        return f"impossible: op {why.op}: {why.why}"
    except NotTold as why:
        return f"not told: {why}"
    return "allowed"


# Edits of one op. None: this op cannot be edited so.
Edit = Callable[[List[Op], int, random.Random], Optional[List[Op]]]


def replaced(ops: List[Op], at: int, op: Op) -> Optional[List[Op]]:
    return None if op == ops[at] else [*ops[:at], op, *ops[at + 1 :]]


def position(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    other = max(0, (ops[at].position or 0) + dice.choice((-2, -1, 1, 2)))
    return replaced(ops, at, ops[at]._replace(position=other))


def outcome(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    if ops[at].type == INVOKE:
        return None
    ends = ((OK, None), (FAIL, TIMEOUT), (FAIL, ENDED), (FAIL, CLOSED), (FAIL, EVICTED))
    type_, other = dice.choice(ends)
    return replaced(ops, at, ops[at]._replace(type=type_, outcome=other))


def number(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    checksum = ops[at].checksum
    if checksum is None:
        return None
    return replaced(ops, at, ops[at]._replace(checksum=checksum ^ 1 << dice.randrange(64)))


def size(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    size_bytes = ops[at].size_bytes
    if size_bytes is None:
        return None
    return replaced(ops, at, ops[at]._replace(size_bytes=size_bytes + 1))


def process(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    names = sorted({op.process for op in ops if op.f in (SEND, RECEIVE)} - {ops[at].process})
    return replaced(ops, at, ops[at]._replace(process=dice.choice(names))) if names else None


def kind(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    others = [each for each in TYPES if each != ops[at].type]
    return replaced(ops, at, ops[at]._replace(type=dice.choice(others)))


def order(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    """The line, and its time, go elsewhere among the operations."""
    to = dice.choice([n for n, op in enumerate(ops) if op.f in (SEND, RECEIVE)])
    rest = [*ops[:at], *ops[at + 1 :]]
    return [*rest[:to], ops[at]._replace(time_ns=ops[to].time_ns), *rest[to:]] if to != at else None


def dropped(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    return [*ops[:at], *ops[at + 1 :]]


def doubled(ops: List[Op], at: int, dice: random.Random) -> Optional[List[Op]]:
    return [*ops[:at], ops[at], *ops[at:]]


EDITS: Mapping[str, Edit] = {
    each.__name__: each
    for each in (position, outcome, number, size, process, kind, order, dropped, doubled)
}


def edited(history: History, name: str, dice: random.Random) -> Optional[History]:
    ops = list(history.ops)
    some = [at for at, op in enumerate(ops) if op.f in (SEND, RECEIVE)]
    made = EDITS[name](ops, dice.choice(some), dice) if some else None
    return None if made is None else History(history.header, tuple(made))


def runs(count: int, worlds: Worlds, folder: Path) -> Iterator[tuple[Plan, History]]:
    seed = made = 0
    long = set()
    while made < count:
        before = made
        for plan in plans(seed):
            if made == count:
                return
            if plan.name in long:
                continue
            began_s = time.monotonic()
            yield plan, history_of(plan, worlds, folder)
            if time.monotonic() - began_s > LONG_S:
                long.add(plan.name)
            made += 1
        seed += 1
        if made == before:  # everything is slow now
            long.clear()


def check_runs(count: int, worlds: Worlds, folder: Path) -> int:
    said: Counter[str] = Counter()
    names = set()
    ops = 0
    took_s = 0.0
    for plan, history in runs(count, worlds, folder):
        began_s = time.perf_counter()
        found = verdict(plan, history)
        took_s += time.perf_counter() - began_s
        said[found.split(":")[0]] += 1
        names.add(plan.name)
        ops += len(history.ops)
        if sum(said.values()) % TOLD_EVERY == 0:
            print(f"{sum(said.values())} runs, {ops} ops: {dict(said)}", flush=True)
        if found != "allowed":
            print(f"{plan.path} {plan.name} --seed {plan.seed}: {found}", flush=True)
    words = ", ".join(f"{count} {what}" for what, count in said.items())
    print(f"{count} runs of {len(names)} names, {ops} ops: {words}; checked in {took_s:.0f} s")
    return 1 if said["impossible"] else 0


def check_edits(count: int, worlds: Worlds, folder: Path) -> int:
    dice = random.Random(0)
    tried: Dict[str, int] = Counter()
    caught: Dict[str, int] = Counter()
    done = 0
    for plan, history in runs(10**9, worlds, folder):
        if len(history.ops) > LONGEST or verdict(plan, history) != "allowed":
            continue
        for name in EDITS:
            other = edited(history, name, dice)
            if other is not None:
                tried[name] += 1
                caught[name] += verdict(plan, other).startswith("impossible")
        done += 1
        if done == count:
            break
    for name in EDITS:
        print(f"{name:10}{caught[name]:7} of {tried[name]:6}  {caught[name] / tried[name]:.1%}")
    total, all_tried = sum(caught.values()), sum(tried.values())
    print(f"{'all':10}{total:7} of {all_tried:6}  {total / all_tried:.1%}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--edits", type=int, default=0, help="journals, each edited in every way")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Worlds() as worlds:
        status = check_runs(asked.runs, worlds, Path(folder)) if asked.runs else 0
        if asked.edits:
            status |= check_edits(asked.edits, worlds, Path(folder))
    return status


if __name__ == "__main__":
    sys.exit(main())
