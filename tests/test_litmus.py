"""Each litmus shape on each memory model: the simulator's outcomes are those that axioms allow."""

from __future__ import annotations

from typing import Optional

import pytest
from litmus_axioms import MODELS, Outcome, outcomes
from litmus_notation import Shape
from litmus_programs import program
from litmus_shapes import SHAPES
from litmus_simulated import every_outcome, random_outcomes

EXECUTIONS = 3_000
PROGRAMS = 100  # drawn, of each model


def described(found: Optional[set[Outcome]]) -> list[str]:
    assert found is not None, "not all executions were made"
    return sorted(f"{o.end} {o.registers} {o.memory}" for o in found)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_outcomes_of_all_executions_are_those_that_the_axioms_allow(
    shape: Shape, model: str
) -> None:
    allowed = described(outcomes(shape.threads, model))
    assert described(every_outcome(shape.threads, model)) == allowed
    whole = every_outcome(shape.threads, model, is_reduced=False, most=EXECUTIONS)
    if whole is not None:
        assert described(whole) == allowed


@pytest.mark.parametrize("model", MODELS)
def test_random_executions_come_to_no_other_outcomes_and_to_most(model: str) -> None:
    found = {
        shape.name: random_outcomes(shape.threads, model, executions=EXECUTIONS) for shape in SHAPES
    }
    allowed = {shape.name: outcomes(shape.threads, model) for shape in SHAPES}
    assert [name for name in found if not found[name] <= allowed[name]] == []
    assert sum(map(len, found.values())) >= 0.95 * sum(map(len, allowed.values()))


@pytest.mark.parametrize("model", MODELS)
def test_programs_that_were_drawn_have_the_outcomes_that_the_axioms_allow(model: str) -> None:
    for seed in range(PROGRAMS):
        threads = program(seed)
        found = described(every_outcome(threads, model))
        assert found == described(outcomes(threads, model)), (seed, threads)
