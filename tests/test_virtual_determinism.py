"""A seed is an execution: twice, and on every interpreter."""

from __future__ import annotations

import pytest
from execution_digest import DIGEST, RINGS, SEEDS, digest, execute, machine

from cy_kernels import explore


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("model", explore.MODELS)
def test_a_seed_run_twice_gives_the_same_hash(ring: str, model: str) -> None:
    first, second = machine(explore, ring, model), machine(explore, ring, model)
    hashes = [execute(first, seed) for seed in range(2_000)]
    assert hashes == [execute(second, seed) for seed in range(2_000)]
    assert len(set(hashes)) > 1_000  # and another seed another


def test_the_executions_are_those_of_every_other_interpreter() -> None:
    assert digest(explore, SEEDS) == DIGEST
