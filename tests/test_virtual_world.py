"""The virtual world runs the repository's scenarios, faults included, as their files expect."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cy_kernels.explore")

from sim.scenario.loader import load
from sim.scenario.planning import make_plan
from sim.verdict import judge
from sim.virtual.execution import execute
from sim.virtual.limits import lacks

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.toml"))


def relative(path: Path) -> str:
    return str(path.relative_to(SCENARIOS))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_scenario_that_can_run_virtually_does_so_as_expected(path: Path) -> None:
    runs = [s for s in load(str(path)) if "virtual" in s.worlds and not list(lacks(s))]
    for scenario in runs:
        plan = make_plan(scenario, 0)
        result = judge(plan, execute(plan).history, duration_ns=0, reproduce="")
        assert result.as_expected, (scenario.name, result.failure)
