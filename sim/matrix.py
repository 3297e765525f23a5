"""`spinbed matrix`: the same scenarios of programs in several interpreters, as one table."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from sim import run as story
from sim.arguments import journals_folder, selected
from sim.errors import ExitStatus, Problem, ScenarioError, worst
from sim.live.interpreters import Lack, find
from sim.loading import load_all
from sim.report import text
from sim.running import crew_for
from sim.scenario.plan import Plan, ProgramWorkload
from sim.scenario.scenario import Scenario
from sim.verdict import RunResult

Cell = Tuple[str, str]  # scenario, interpreter


def matrix_command(arguments: argparse.Namespace) -> ExitStatus:
    """One run of each scenario in each interpreter; those that the host lacks are said, and are a
    failure with --require alone. Each `program` runs there, whatever its file names."""
    scenarios = selected(load_all(arguments.paths), arguments)
    chosen = [each for each in scenarios if _programs(each)]
    if not chosen:
        message = "no scenario here has a `program`: there is nothing to put into an interpreter"
        raise ScenarioError([Problem("spinbed matrix", None, None, message)])
    lacks = {spec: found for spec in arguments.pythons if isinstance(found := find(spec), Lack)}
    there = [spec for spec in arguments.pythons if spec not in lacks]
    cells: List[Cell] = []
    plans: List[Plan] = []
    again: Dict[str, str] = {}  # by the plan's name
    for spec in there:
        planned = story.plan_all([_in(spec, each) for each in chosen], arguments.seed)
        for scenario, plan in zip(chosen, planned):
            cells += [(scenario.name, spec)] * arguments.repeat
            plans += [plan] * arguments.repeat
            words = ["spinbed", "matrix", plan.path, "--python", spec, "-k", f"={scenario.name}"]
            again[plan.name] = shlex.join(words)
    crew = crew_for(
        plans,
        again=lambda plan: again[plan.name],
        journals=journals_folder(Path(arguments.journal_dir)),
        jobs=arguments.jobs,
    )
    results: Dict[Cell, List[RunResult]] = {}
    with crew:
        for cell, result in zip(cells, crew.in_order()):
            results.setdefault(cell, []).append(result)
    for line in table([each.name for each in chosen], there, results):
        print(line)
    print()
    for (name, spec), of_cell in results.items():
        for result in [each for each in of_cell if each.as_expected is False][:1]:
            print(f"FAIL  {name} in {spec}")
            print(*(f"      {line}" for line in text.failure_lines(result)), sep="\n")
    for spec, lack in lacks.items():
        print(f"no {spec}: {lack}")
    print(f"left out: {len(scenarios) - len(chosen)} of {len(scenarios)} have no `program`")
    sys.stdout.flush()
    statuses = [each.exit_status for of_cell in results.values() for each in of_cell]
    if lacks and arguments.require:
        statuses.append(ExitStatus.SAFETY)
    return worst(statuses)


def table(
    names: Sequence[str], pythons: Sequence[str], results: Mapping[Cell, Sequence[RunResult]]
) -> Sequence[str]:
    """A row a scenario, a column an interpreter: how many of its runs were as expected where there
    are several, the verdict, the kernels that its programs found, and the rung of the wait ladder
    that `best` comes to with them."""
    rows: List[List[str]] = [["", *pythons]]
    for name in names:
        rows.append([name, *(_said(results[name, python]) for python in pythons)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def _said(results: Sequence[RunResult]) -> str:
    if results[0].as_expected is None:
        return f"skip: {results[0].skipped}"
    good = sum(result.as_expected is True for result in results)
    mark = "ok" if good == len(results) else "FAIL"
    count = [f"{good}/{len(results)}"] if len(results) > 1 else []
    verdicts = sorted({str(result.verdict) for result in results})
    lives = [life for result in results for life in result.processes]
    found = {(life.kernels.partition(":")[0], life.rung) for life in lives if life.kernels}
    kernels = [word for pair in sorted(found) for word in pair if word]
    return " ".join([mark, *count, *verdicts, *kernels])


def _programs(scenario: Scenario) -> bool:
    works = [table.workload for table in scenario.processes]
    return any(isinstance(work, ProgramWorkload) and work.program for work in works)


def _in(spec: str, scenario: Scenario) -> Scenario:
    """Whatever its file names, its programs run there; commands name their own."""
    processes = [
        replace(each, python=spec) if getattr(each.workload, "program", None) else each
        for each in scenario.processes
    ]
    name = f"{scenario.name}[python={spec}]"  # or their journals would be one file
    tables = [
        {**each, "python": spec} if "program" in each else each
        for each in scenario.source.get("process", ())
    ]
    source = {**scenario.source, "process": tables}
    return replace(scenario, name=name, processes=tuple(processes), source=source)
