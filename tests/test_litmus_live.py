"""Litmus shapes on this machine's own cores: nothing that the simulated TSO does not show."""

from __future__ import annotations

import os
import platform
from types import ModuleType

import pytest
from litmus_axioms import outcomes
from litmus_live import built, can_run, counted
from litmus_notation import TSO_MACHINES, Shape, is_weak
from litmus_shapes import SHAPES
from litmus_simulated import every_outcome

RUNS = int(os.environ.get("SPINBED_LITMUS_RUNS", "100000"))
WITHIN_S = 60.0
BY_NAME = {shape.name: shape for shape in SHAPES}
LIVE = [
    *("SB", "SB+sc-fences", "SB+rmws", "SB+rfi-pos", "n6", "MP", "MP+rel+acq", "LB", "S", "R"),
    *("R+sc-fences", "2+2W", "CoRR", "CoWR", "2RMW", "payload+po+acq", "tearing", "seqlock-po"),
    *("WRC", "IRIW"),
]

pytestmark = [
    pytest.mark.skipif(
        len(os.sched_getaffinity(0)) < 2, reason="threads of one core see each other's stores"
    ),
    pytest.mark.skipif(
        platform.machine() not in TSO_MACHINES, reason="this machine does not promise TSO"
    ),
]


@pytest.fixture(scope="module")
def litmus(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return built(tmp_path_factory.mktemp("litmus"))


@pytest.mark.parametrize("name", LIVE)
def test_a_real_outcome_is_a_simulated_one(name: str, litmus: ModuleType) -> None:
    shape = BY_NAME[name]
    assert can_run(shape)
    seen = counted(litmus, shape, runs=RUNS, within_s=WITHIN_S)
    assert seen.runs > 0
    assert sum(seen.outcomes.values()) >= seen.runs
    simulated = every_outcome(shape.threads, "tso")
    assert simulated == outcomes(shape.threads, "tso")
    assert set(seen.outcomes) <= simulated


def test_a_real_store_buffer_shows(litmus: ModuleType) -> None:
    """Else the runs above would prove nothing: their threads never met."""
    shape = BY_NAME["SB"]
    seen = counted(litmus, shape, runs=10 * RUNS, within_s=WITHIN_S)
    assert any(is_weak(outcome, shape) for outcome in seen.outcomes), seen


def test_a_run_that_never_ends_is_given_up_at_its_deadline(litmus: ModuleType) -> None:
    waits = Shape("waits", [[("until", 0, 1, "acquire")], []], "", "")
    assert counted(litmus, waits, runs=1, within_s=0.2).runs == 0


def test_more_than_fits_is_an_error(litmus: ModuleType) -> None:
    for threads in ([[]] * 5, [[("fence", "seq_cst")] * 17], [[("store", 4, 1, "relaxed")]]):
        with pytest.raises(ValueError):
            litmus.Litmus(threads, runs=1, deadline_ns=0, meets_each=False)
