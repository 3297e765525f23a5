"""From the text of a scenario to its plan, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from sim.scenario.loader import load
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario

SMALLEST = """\
schema = 1
name = "smallest"
[[process]]
name = "writer"
role = "writer"
[[process]]
name = "reader"
role = "reader"
"""
FIVE = SMALLEST + "count = 5\n"
MS = 1_000_000
S = 1_000_000_000


def scenarios(tmp_path: Path, text: str) -> Sequence[Scenario]:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    return load(path)


def plan_of(tmp_path: Path, text: str, seed: int = 0) -> Plan:
    (scenario,) = scenarios(tmp_path, text)
    return make_plan(scenario, seed)


def targets(plan: Plan) -> Sequence[str]:
    return [injection.fault.target for injection in plan.injections]
