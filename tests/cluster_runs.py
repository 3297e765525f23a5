"""Runs of clusters in this process: of scenario files, made smaller, and of texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from sim.cluster.execution import execute
from sim.history.history import History
from sim.history.op import BLAME
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario
from sim.verdict import RunResult, judge

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios" / "cluster"
HEAD = """
schema = 1
name = "cluster"
deadline = "60s"
stall_threshold = "20s"
"""


@dataclass(frozen=True)
class Done:
    history: History
    result: RunResult
    duration_ns: int

    def blamed(self) -> List[str]:
        return [str((op.detail or {})["target"]) for op in self.history.ops if op.f == BLAME]


def run(text: str, seed: int = 0) -> Done:
    """The one run of a file of that text, after its head."""
    (scenario,) = load_text(HEAD + text, "cluster.toml")
    return run_scenario(scenario, seed)


def run_scenario(scenario: Scenario, seed: int = 0) -> Done:
    plan = make_plan(scenario, seed)
    history, duration_ns = execute(plan)
    result = judge(plan, history, duration_ns=duration_ns, reproduce="again")
    return Done(history, result, duration_ns)


def smaller(text: str, hosts: int) -> str:
    """The same file with so many hosts at most, and each name brought down to what there is. Where
    many are left, they have two readers each, and few steps."""

    def fewer(match: re.Match[str]) -> str:
        return f"{match[1]}{min(int(match[2]), hosts)}"

    def host(match: re.Match[str]) -> str:
        first = (int(match[1]) - 1) % (hosts - 1) + 1 if int(match[1]) else 0
        if match[2] is None:
            return f"host[{first}"
        last = min(first + int(match[2]) - int(match[1]), hosts - 1)
        return f"host[{first}..{last}"

    if hosts > 50:
        text = text.replace("readers_per_host = 8", "readers_per_host = 2")
        text = text.replace("steps = 60", "steps = 35")
    return re.sub(
        r"host\[(\d+)(?:\.\.(\d+))?", host, re.sub(r"^(hosts = )(\d+)", fewer, text, flags=re.M)
    )


def small(path: Path, hosts: int = 20) -> Sequence[Scenario]:
    """The runs of a file with so many hosts at most."""
    return load_text(smaller(path.read_text(encoding="utf-8"), hosts), str(path))


def files() -> Sequence[Path]:
    return sorted(SCENARIOS.rglob("*.toml"))
