"""Batches of executions, and the checkers that must agree with the machine's oracles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim.scenario.loader import load
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.virtual.batch import explore_batch
from sim.virtual.execution import execute
from sim.virtual.judging import ONE_IN, disagreement, judged

TEXT = """\
schema = 1
name = "small"
[transport]
kind = "{kind}"
slots = 2
slot_bytes = 64
{transport}
[[process]]
name = "writer"
role = "writer"
wait = "yielding"
workload = {{ messages = 4, size_bytes = 16 }}
[[process]]
name = "reader"
role = "reader"
count = 2
wait = "yielding"
"""
KILL = """
[[fault]]
kind = "restart"
target = "reader[0]"
at = { after_ops = 1 }
"""


def plan(tmp_path: Path, kind: str = "cursor_ring", transport: str = "", more: str = "") -> Plan:
    path = tmp_path / "small.toml"
    path.write_text(TEXT.format(kind=kind, transport=transport) + more)
    (scenario,) = load(str(path))
    return make_plan(scenario, 0)


@pytest.mark.parametrize("model", ["sc", "tso", "pso", "ra"])
def test_a_sound_ring_passes_and_one_execution_in_a_thousand_is_checked(
    tmp_path: Path, model: str
) -> None:
    batch = explore_batch(plan(tmp_path), model, "random", 0, 2 * ONE_IN)
    assert (batch.executions, batch.checked, batch.first) == (2 * ONE_IN, 2, None)
    assert batch.steps > 2 * ONE_IN


def test_with_faults_too(tmp_path: Path) -> None:
    batch = explore_batch(plan(tmp_path, more=KILL), "tso", "random", 1, 300)
    assert (batch.executions, batch.checked, batch.first) == (300, 0, None)


@pytest.mark.parametrize("fault", ["", KILL.replace("restart", "stall") + 'heal_after = "1us"'])
def test_a_planted_bug_is_found_by_both_and_replayed_from_its_tape(
    tmp_path: Path, fault: str
) -> None:
    made = plan(tmp_path, "flag_ring", 'mutant = "flag-before-data"', fault)
    batch = explore_batch(made, "tso", "random", 1, 5 * ONE_IN, stops_at_first=True)
    assert batch.first is not None and batch.first_seed is not None
    assert batch.first.finding is not None and batch.checked >= 1
    again = execute(made, model="tso", scheduler="replay", tape=batch.first.tape)
    assert again == batch.first


def test_a_contradiction_between_oracles_and_checkers_is_told(tmp_path: Path) -> None:
    good = execute(plan(tmp_path))
    results = judged(good.history)
    assert disagreement(good, results) is None
    said = disagreement(replace(good, finding=("torn", 1, 0)), results)
    assert said is not None and "torn" in said
    made = plan(tmp_path, "flag_ring", 'mutant = "flag-before-data"')
    bad = next(e for e in (execute(made, seed=seed) for seed in range(5000)) if e.finding)
    said = disagreement(replace(bad, finding=None), judged(bad.history))
    assert said is not None and said.startswith("the oracles found nothing")
