"""The command replay: a tape's execution made again on the machine, or driven in real processes."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from rich.console import Console

from cy_kernels.choice import PURE
from sim import tapes as commands
from sim.abc import INVALID
from sim.checkers import CHECKERS
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.hang import observed
from sim.history.history import History
from sim.history.op import EXIT, RECEIVE, SEND
from sim.live.driven_world import DrivenWorld
from sim.live.execution import provoked
from sim.live.kernels import kernels_of
from sim.report.output import printing
from sim.run import lacks
from sim.scenario.plan import Plan, ProcessPlan, ProgramWorkload
from sim.scenario.turns import NotForced, Order
from sim.tapes import in_words, names, status_of, tape_line, traced
from sim.virtual import tape as tapes
from sim.virtual.execution import execute
from sim.virtual.ordering import order_of
from sim.virtual.tape import Tape
from sim.virtual.world import REPLAY
from sim.worlds import Worlds

SAFETY = ("no_tearing", "no_duplicates", "fifo", "no_loss")
# A ring's participants move again within microseconds once they are let go; a longer silence than
# this is looked into, and only what the evidence says is a hang counts.
STALL_THRESHOLD_NS = 500_000_000
SLOWER = 10  # a step by token takes a process that much longer than a step, and more
LONG_NS = 2_000_000_000

Doing = Dict[Tuple[str, int], List[Tuple[Any, ...]]]


@dataclass(frozen=True)
class Try:
    """One run in the live world that was driven through the order."""

    showed: bool
    diverged: Optional[str]  # where and why the order could not be kept to
    history: History


def replay(arguments: argparse.Namespace) -> ExitStatus:
    if arguments.world != "live":
        return commands.replay(arguments)
    with printing() as console:
        return _replay_live(arguments, console)


def _replay_live(arguments: argparse.Namespace, console: Console) -> ExitStatus:
    tape = tapes.load(arguments.tape)
    plan = tape.plan()
    order = order_from(tape, plan, str(arguments.tape))
    console.print(tape_line(tape, plan), soft_wrap=True)
    console.print(in_words(tape.outcome, plan), soft_wrap=True)
    with Worlds() as worlds:
        tries = [driven(tape, plan, order, worlds) for _ in range(arguments.tries)]
    showed = sum(each.showed for each in tries)
    what = "the failure" if tape.outcome.failure is not None else "the same"
    console.print(f"{what} showed in {showed} of {len(tries)} tries{_rest(tries)}", soft_wrap=True)
    if order.delays and not showed:
        console.print(_of_delays(order), soft_wrap=True)
    if not showed:
        return ExitStatus.UNKNOWN
    return status_of(tape.outcome)


def order_from(tape: Tape, plan: Plan, file: str) -> Order:
    """What real processes are driven through. Raises ScenarioError where no x86 does it, and
    WorldError where this host cannot."""
    if plan.is_of_programs:
        _refuse(file, "model", "the turns of programs are of models: real ones have no such steps")
    played, execution = traced(tape, plan)
    if played.has_diverged or played.outcome != tape.outcome:
        _refuse(file, None, commands.DIVERGED)
    try:
        order = order_of(execution.trace, names(plan), tape.model)
    except NotForced as why:
        _refuse(file, "model", f"{tape.model}: x86 has no such execution: {why}")
    if "live" not in plan.worlds:
        _refuse(file, "scenario", "is for the virtual world alone")
    why_not = lacks(in_live_world(plan))
    if any(kernels_of(process) == PURE for process in plan.processes):
        why_not = why_not or "pure kernels have no gate"
    if why_not is not None:
        raise WorldError("replay in the live world", detail=why_not)
    return order


def in_live_world(plan: Plan) -> Plan:
    """The same, with time enough: who is held until its turn must not time out before it."""
    processes = tuple(_patient(each) for each in plan.processes)
    deadlines = {each.name: _deadline_ns(each) for each in processes}
    headers = [replace(h, deadline_ns=deadlines[h.name]) for h in plan.header.processes]
    longest_ns = max((ns for ns in deadlines.values() if ns is not None), default=0)
    return replace(
        plan,
        world="live",
        processes=processes,
        header=replace(plan.header, processes=tuple(headers)),
        stall_threshold_ns=max(STALL_THRESHOLD_NS, 2 * longest_ns),
    )


def _deadline_ns(process: ProcessPlan) -> Optional[int]:
    assert not isinstance(process.workload, ProgramWorkload)
    return process.workload.deadline_ns


def _patient(process: ProcessPlan) -> ProcessPlan:
    work = process.workload
    assert not isinstance(work, ProgramWorkload)
    if work.deadline_ns is None or work.deadline_ns >= LONG_NS:
        return process
    longer_ns = min(SLOWER * work.deadline_ns, LONG_NS)
    return replace(process, workload=replace(work, deadline_ns=longer_ns))


def driven(tape: Tape, plan: Plan, order: Order, worlds: Worlds) -> Try:
    """One try. Raises WorldError where the operating system fails."""
    world = DrivenWorld(in_live_world(plan), order, worlds.supervisor, observed.tell_apart)
    history = provoked(world, plan.injections)
    if world.diverged is not None:
        return Try(False, world.diverged, history)
    return Try(_shows(tape, plan, history), None, history)


def _shows(tape: Tape, plan: Plan, history: History) -> bool:
    """The same kind of failure; of a tape without one, that everybody did the same."""
    outcome = tape.outcome
    if outcome.finding is not None:
        return any(CHECKERS[alias].check(history).result == INVALID for alias in SAFETY)
    if outcome.failure is not None:
        return CHECKERS["liveness"].check(history).result == INVALID
    simulated = execute(plan, model=tape.model, scheduler=REPLAY, tape=tape.choices).history
    return doing(history) == doing(simulated)


def doing(history: History) -> Doing:
    """What each life did: its operations, and how it ended where the run did not end it. Payloads
    are no part of it, as each world has its own."""
    found: Doing = {}
    for op in history.ops:
        life = found.setdefault((op.process, op.incarnation), [])
        if op.f in (SEND, RECEIVE):
            life.append((op.f, op.type, op.position, op.outcome))
        elif op.f == EXIT and not (op.detail or {}).get("ended_by"):
            life.append((op.f, op.outcome))
    return {life: did for life, did in found.items() if did}


def _rest(tries: Sequence[Try]) -> str:
    where = Counter(each.diverged for each in tries if each.diverged is not None)
    return "".join(f"; {count} diverged at {place}" for place, count in where.most_common())


def _of_delays(order: Order) -> str:
    first = order.delays[0]
    return (
        f"{first.process} loads at {first.load} (line {first.line}) before its store at "
        f"{first.store} can be seen: a store buffer does that, and no order of steps"
    )


def _refuse(file: str, key: Optional[str], message: str) -> Any:
    raise ScenarioError([Problem(file, None, key, message)])
