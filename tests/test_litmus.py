"""Each litmus shape on each memory model: the simulator's outcomes are those that axioms allow."""

from __future__ import annotations

import pytest
from litmus_axioms import MODELS, Outcome, outcomes
from litmus_notation import Shape
from litmus_programs import program
from litmus_shapes import SHAPES
from litmus_simulated import every_outcome, random_outcomes

EXECUTIONS = 20_000  # a shape that has more of them gets random ones too
RANDOM = 3_000
PROGRAMS = 100  # drawn, of each model


def described(found: set[Outcome]) -> list[str]:
    return sorted(f"{o.end} {o.registers} {o.memory}" for o in found)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_outcomes_are_those_that_the_axioms_allow(shape: Shape, model: str) -> None:
    found, is_complete = every_outcome(shape.threads, model, executions=EXECUTIONS)
    if not is_complete:
        found |= random_outcomes(shape.threads, model, executions=RANDOM)
    assert described(found) == described(outcomes(shape.threads, model))


@pytest.mark.parametrize("model", MODELS)
def test_programs_that_were_drawn_have_the_outcomes_that_the_axioms_allow(model: str) -> None:
    complete = 0
    for seed in range(PROGRAMS):
        threads = program(seed)
        found, is_complete = every_outcome(threads, model, executions=EXECUTIONS // 10)
        allowed = outcomes(threads, model)
        assert described(found - allowed) == [], (seed, threads)
        if is_complete:
            assert described(found) == described(allowed), (seed, threads)
            complete += 1
    assert complete >= PROGRAMS // 2
