"""One live run of a plan."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import Iterator, Sequence, Tuple, Union

from sim.errors import WorldError
from sim.history.history import History
from sim.live.program_world import ProgramWorld
from sim.live.supervisor import Supervisor
from sim.live.telling import Tell, of_no_class
from sim.live.world import LiveWorld
from sim.nemesis import provoke
from sim.scenario.plan import Injection, Plan

AnyWorld = Union[LiveWorld, ProgramWorld]


def run_plan(
    plan: Plan, supervisor: Supervisor, tell: Tell = of_no_class
) -> Tuple[History, int]:
    """From nothing to nothing; its history and how long it took, in ns. `tell` as LiveWorld's.

    Raises WorldError where the operating system fails.
    """
    with open_world(plan, supervisor, tell) as world:
        provoke(world, plan.injections)
        return world.finish(), world.now_ns() - world.began_ns


def provoked(world: LiveWorld, injections: Sequence[Injection]) -> History:
    """The same of a world that the caller has made."""
    with opened(world):
        provoke(world, injections)
        return world.finish()


@contextmanager
def open_world(plan: Plan, supervisor: Supervisor, tell: Tell) -> Iterator[AnyWorld]:
    """Everybody is attached and waits for the start; at the end nothing is left."""
    made: AnyWorld = (ProgramWorld if plan.is_of_programs else LiveWorld)(plan, supervisor, tell)
    with opened(made) as world:
        yield world


@contextmanager
def opened(world: AnyWorld) -> Iterator[AnyWorld]:
    try:
        world.open()
        yield world
    except BaseException:
        with suppress(WorldError):  # what ended the run is not replaced by what its end has met
            world.close()
        raise
    world.close()
