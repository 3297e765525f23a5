"""One execution of a plan in the virtual world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from cy_kernels.explore import Simulation
from sim.history.history import History
from sim.nemesis import provoke
from sim.scenario.plan import Plan
from sim.virtual.world import VirtualWorld

# How long an execution may be that is one of many: a livelock then costs milliseconds.
STEPS_FACTOR = 100  # times the steps of the default schedule, faults included; but
STEPS_LEAST = 100_000
DEFAULT_STEPS_MAX = 200_000  # of that one; where it is not over by then, round robin is taken

Finding = Tuple[str, int, int]  # its name, the process's number on the machine, the position


@dataclass(frozen=True)
class Execution:
    """What one execution came to. The same plan, model and tape give the same, everywhere."""

    history: History
    tape: bytes  # every choice: "replay" makes them again
    hash: int  # of the tape and what it led to
    steps: int
    clock_ns: int  # virtual
    finding: Optional[Finding]  # what the machine's own oracles objected to first
    stop: str  # of explore.STOPS: how the machine stopped


def execute(
    plan: Plan,
    *,
    model: str = "tso",
    scheduler: str = "random",
    seed: int = 0,
    tape: bytes = b"",
    expected_choices: int = 0,
    simulation: Optional[Simulation] = None,
) -> Execution:
    """From the start to the end, its faults included. `tape` is for the scheduler "replay";
    `expected_choices`, what `schedulers.measured` says, for those that have a depth; `simulation`,
    of this plan and model, is used again instead of making one.

    Raises BadScheduler, and WorldError where a fault cannot be done.
    """
    world = VirtualWorld(
        plan,
        model=model,
        scheduler=scheduler,
        seed=seed,
        tape=tape,
        expected_choices=expected_choices,
        simulation=simulation,
    )
    provoke(world, plan.injections)
    return execution_of(world)


def execution_of(world: VirtualWorld) -> Execution:
    """What a world came to whose run is over."""
    machine = world.simulation
    return Execution(
        history=world.finish(),
        tape=machine.tape,
        hash=machine.hash,
        steps=machine.steps,
        clock_ns=machine.clock_ns,
        finding=machine.finding,
        stop=machine.stop,
    )
