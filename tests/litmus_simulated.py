"""Outcomes of a litmus program in the simulated machine, in the judge's own terms."""

from __future__ import annotations

from typing import Optional

from litmus_axioms import Outcome
from litmus_graphs import Instruction
from litmus_notation import LOCATIONS, REGISTERS

from cy_kernels import explore


def machine_for(threads: list[list[Instruction]], model: str) -> explore.Simulation:
    simulation = explore.Simulation(len(threads), model=model)
    for index, thread in enumerate(threads):
        simulation.set_program(index, thread)
    return simulation


def outcome_of(simulation: explore.Simulation, threads: int) -> Outcome:
    if simulation.finding is not None:
        assert simulation.finding[0] == "race", simulation.finding
        return Outcome("race")
    assert simulation.stop in ("ended", "stuck"), simulation.stop
    return Outcome(
        simulation.stop,
        tuple(simulation.registers(index)[:REGISTERS] for index in range(threads)),
        tuple(simulation.memory(location) for location in range(len(LOCATIONS))),
    )


def every_outcome(
    threads: list[list[Instruction]], model: str, *, is_reduced: bool = True, most: int = 10**6
) -> Optional[set[Outcome]]:
    """Of all executions, or of one of each that differ only in the order of independent steps;
    None if there are more than `most`."""
    simulation = machine_for(threads, model)
    found = set()

    def note(execution: explore.Simulation) -> None:
        found.add(outcome_of(execution, len(threads)))

    explored = simulation.explore_all(
        reduce=is_reduced, max_executions=most, stops_at_first=False, on_execution=note
    )
    return found if explored.is_complete else None


def random_outcomes(
    threads: list[list[Instruction]], model: str, *, executions: int
) -> set[Outcome]:
    """Of random executions, seeds 0 and up: the same every time."""
    simulation = machine_for(threads, model)
    found = set()
    for seed in range(executions):
        simulation.begin(seed)
        simulation.start()
        simulation.go()
        found.add(outcome_of(simulation, len(threads)))
    return found
