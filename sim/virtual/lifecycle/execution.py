"""One execution of a plan of programs in the virtual world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from sim.history.history import History
from sim.nemesis import provoke
from sim.scenario.plan import Plan
from sim.virtual.lifecycle.choosing import Chooser, Drawn, Replayed
from sim.virtual.lifecycle.world import SimulatedPrograms, Tell, of_no_class
from sim.virtual.schedulers import parse
from sim.virtual.world import REPLAY


@dataclass(frozen=True)
class ProgramsExecution:
    """What one came to. The same plan and tape give the same, everywhere."""

    history: History
    tape: bytes
    hash: int
    steps: int
    clock_ns: int  # virtual
    is_cut_short: bool  # by its deadline
    has_diverged: bool
    seen: Sequence[Tuple[int, str]] = ()  # ns, and what happened, where it was traced


def execute_programs(
    plan: Plan,
    *,
    scheduler: str = "random",
    seed: int = 0,
    tape: bytes = b"",
    expected_choices: int = 0,
    tell: Tell = of_no_class,
    traces: bool = False,
) -> ProgramsExecution:
    """As sim.virtual.execution.execute. Raises BadScheduler."""
    chooser: Chooser
    if scheduler == REPLAY:
        chooser = Replayed(tape)
    else:
        chooser = Drawn(parse(scheduler), seed, expected_choices)
    world = SimulatedPrograms(plan, chooser, tell)
    machine = world.simulation
    machine.seen = [] if traces else None
    provoke(world, plan.injections)
    is_cut_short = world.is_cut_short
    return ProgramsExecution(
        history=world.finish(),
        tape=bytes(chooser.tape),
        hash=machine.hash,
        steps=machine.steps,
        clock_ns=machine.clock_ns,
        is_cut_short=is_cut_short,
        has_diverged=chooser.has_diverged,
        seen=tuple(machine.seen or ()),
    )
