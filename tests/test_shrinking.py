"""Every planted bug's failure becomes small, and stays the failure that it was."""

from __future__ import annotations

import importlib.util
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from cy_kernels.explore import MUTANTS
from sim.hang.explain import hang_class
from sim.virtual.players import Alone, open_player
from sim.virtual.program import STEPS_MAX
from sim.virtual.reduction import NOTHING
from sim.virtual.shrinking import shrink

DEVIATIONS_MAX = 5
FAULTS_MAX = 2
BUDGET_S = 30.0  # far more than is needed
HASTE = 4  # all of these pass at 40 too


def process_time() -> float:
    """The searches that find nothing, most of the time here, end after a quarter of theirs."""
    return HASTE * time.process_time()


def benchmark() -> ModuleType:
    """What it measures is asserted here, of the same cases."""
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "shrinking.py"
    spec = importlib.util.spec_from_file_location("shrinking_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    # Of what other work leaves over, a budget of real time may be anything.
    vars(module)["time"] = SimpleNamespace(monotonic=process_time)
    return module


SHRINKING = benchmark()
CASES = list(SHRINKING.cases())
# Where it is soonest found, or soonest small; the others need no weak memory, or show on PSO too.
FOUND_ON = {
    "no-data-fence": "pso",
    "as_shipped": "ra",
    "event-after-parked": "sc",
    "reset-before-data": "sc",
}


def test_there_is_a_case_for_every_mutant_and_some_have_faults_too_many():
    assert set(MUTANTS) <= {case.bug for case in CASES}
    assert [len(case.plan.injections) for case in CASES].count(3) >= 4


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.bug + "+faults" * bool(each.faults))
def test_a_failure_becomes_small_and_stays_what_it_was(case):
    plan, model = case.plan, FOUND_ON.get(case.bug, "tso")
    played = next(
        found
        for scheduler in ("pos", "random", "pct:3")
        for found in [SHRINKING.failing(plan, model, scheduler, process_time() + 10)]
        if found is not None
    )
    result = SHRINKING.shrunk(plan, model, played, BUDGET_S)
    small = result.reduction.applied_to(plan)
    assert result.deviations <= DEVIATIONS_MAX
    assert len(small.injections) == (case.bug == "no-release-on-raise") <= FAULTS_MAX
    assert len(small.processes) <= len(plan.processes) - 1
    again = open_player(small, model, process_time).replay(result.played.choices)
    assert again == result.played
    assert again.outcome.failure == played.outcome.failure
    if played.outcome.failure == "stuck":
        tapes = (plan, played.choices), (small, again.choices)
        assert {hang_class(which, model, choices) for which, choices in tapes} == {"lost-wakeup"}


KILLED = """
[[fault]]
kind = "kill"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 1 }
"""


def test_a_lost_wake_up_does_not_become_a_wait_for_the_dead():
    """The dead reader's ring fills, so the default schedule gets stuck too, for that reason."""
    case = SHRINKING.Case("no-recheck", KILLED)
    plan = case.plan
    player = open_player(plan, "tso", process_time)
    default = player.replay(b"")
    assert default.outcome.failure == "stuck"
    assert hang_class(plan, "tso", default.choices) == "peer-dead"
    scheduler = SHRINKING.parse("random")
    executions = (player.execute(scheduler, seed) for seed in count())
    lost = next(
        each
        for each in executions
        if each.outcome.failure == "stuck"
        and hang_class(plan, "tso", each.choices) == "lost-wakeup"
    )
    result = SHRINKING.shrunk(plan, "tso", lost, BUDGET_S)
    small = result.reduction.applied_to(plan)
    assert hang_class(small, "tso", result.played.choices) == "lost-wakeup"
    assert 1 <= result.deviations <= DEVIATIONS_MAX and not small.injections


def test_a_hang_of_another_class_is_not_alike():
    plan = SHRINKING.Case("no-recheck").plan
    played = SHRINKING.failing(plan, "sc", "pos", process_time() + 10)
    told = iter(["lost-wakeup", *["deadlock"] * 1_000_000])
    result = shrink(
        plan,
        NOTHING,
        played,
        open_player=lambda smaller: open_player(smaller, "sc", process_time),
        hang_of=lambda smaller, choices: next(told),
        now_s=process_time,
        budget_s=1.0,
    )
    assert result.reduction == NOTHING and result.played == played


def test_attempts_are_bounded_in_steps():
    """step-over-not-ready has executions that go on for ever; none of them is waited for."""
    plan = SHRINKING.Case("step-over-not-ready").plan
    spinning = [replace(process, wait="yielding") for process in plan.processes]
    plan = replace(plan, processes=spinning)
    played = SHRINKING.failing(plan, "tso", "pos", process_time() + 10)
    assert played.outcome.failure not in ("stuck", "out_of_steps")
    steps = []

    class Watched(Alone):
        def replay(self, choices):
            made = super().replay(choices)
            if self.expected_choices:  # else it measures the default schedule, under its own bound
                steps.append(made.outcome.steps)
            return made

    result = shrink(
        plan,
        NOTHING,
        played,
        open_player=lambda small: Watched(small, "tso", process_time),
        hang_of=lambda small, choices: None,
        now_s=process_time,
        budget_s=5.0,
    )
    assert result.deviations <= DEVIATIONS_MAX
    assert max(steps) < STEPS_MAX // 100
