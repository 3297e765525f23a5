"""Each litmus shape on each memory model: the simulator's outcomes are those that axioms allow."""

from __future__ import annotations

import pytest
from litmus_axioms import Outcome, outcomes
from litmus_notation import Shape
from litmus_shapes import SHAPES
from litmus_simulated import random_outcomes

EXECUTIONS = 3000  # random ones, seeds 0 and up: the same every time


def described(found: set[Outcome]) -> list[str]:
    return sorted(f"{o.end} {o.registers} {o.memory}" for o in found)


@pytest.mark.parametrize("model", ["sc", "tso", "pso", "ra"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_outcomes_are_those_that_the_axioms_allow(shape: Shape, model: str) -> None:
    found = random_outcomes(shape.threads, model, executions=EXECUTIONS)
    assert described(found) == described(outcomes(shape.threads, model))
