"""`spinbed matrix`: the same scenarios of programs in several interpreters, as one table."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from sim import run as story
from sim.arguments import journal_name, journals_folder, selected
from sim.crew import failed, skipped
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError, worst
from sim.live.interpreters import Lack, find
from sim.report import text
from sim.scenario.plan import Plan, ProgramWorkload
from sim.scenario.scenario import Scenario
from sim.verdict import RunResult
from sim.worlds import Worlds

Cell = Tuple[str, str]  # scenario, interpreter


def matrix_command(arguments: argparse.Namespace) -> ExitStatus:
    """One run of each scenario in each interpreter; those that the host lacks are said, and are a
    failure with --require alone. Each `program` runs there, whatever its file names."""
    scenarios = selected(story.load_all(arguments.paths), arguments)
    chosen = [each for each in scenarios if _programs(each)]
    if not chosen:
        message = "no scenario here has a `program`: there is nothing to put into an interpreter"
        raise ScenarioError([Problem("spinbed matrix", None, None, message)])
    lacks = {spec: found for spec in arguments.pythons if isinstance(found := find(spec), Lack)}
    there = [spec for spec in arguments.pythons if spec not in lacks]
    results: Dict[Cell, RunResult] = {}
    journals = journals_folder(Path(arguments.journal_dir))
    with Worlds() as worlds:
        for spec in there:
            for plan in story.plan_all([_in(spec, each) for each in chosen], arguments.seed):
                again = f"spinbed matrix {plan.path} --python {spec} -k '={plan.name}'"
                results[plan.name, spec] = _run(plan, worlds, again, journals)
    for line in table([each.name for each in chosen], there, results):
        print(line)
    print()
    for result in results.values():
        if result.as_expected is False:
            print(f"FAIL  {result.name}")
            print(*(f"      {line}" for line in text.failure_lines(result)), sep="\n")
    for spec, lack in lacks.items():
        print(f"no {spec}: {lack}")
    print(f"left out: {len(scenarios) - len(chosen)} of {len(scenarios)} have no `program`")
    sys.stdout.flush()
    statuses = [result.exit_status for result in results.values()]
    if lacks and arguments.require:
        statuses.append(ExitStatus.SAFETY)
    return worst(statuses)


def table(
    names: Sequence[str], pythons: Sequence[str], results: Mapping[Cell, RunResult]
) -> Sequence[str]:
    """A row a scenario, a column an interpreter: whether it was as expected, the verdict, and the
    kernels that its programs found."""
    rows: List[List[str]] = [["", *pythons]]
    for name in names:
        rows.append([name, *(_said(results[name, python]) for python in pythons)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def _said(result: RunResult) -> str:
    if result.as_expected is None:
        return f"skip: {result.skipped}"
    mark = "ok" if result.as_expected else "FAIL"
    kernels = sorted({each.kernels.partition(":")[0] for each in result.processes if each.kernels})
    return " ".join([mark, str(result.verdict), *kernels])


def _programs(scenario: Scenario) -> bool:
    works = [table.workload for table in scenario.processes]
    return any(isinstance(work, ProgramWorkload) and work.program for work in works)


def _in(spec: str, scenario: Scenario) -> Scenario:
    """Whatever its file names, its programs run there; commands name their own."""
    processes = [
        replace(each, python=spec) if getattr(each.workload, "program", None) else each
        for each in scenario.processes
    ]
    return replace(scenario, processes=tuple(processes))


def _run(plan: Plan, worlds: Worlds, again: str, journals: Path) -> RunResult:
    why = story.lacks(plan)
    if why is not None:
        return skipped(plan, why, reproduce=again, is_required=False)
    try:
        return story.run(plan, worlds, reproduce=again, journal=journals / journal_name(plan))
    except WorldError as error:
        return failed(plan, error, reproduce=again)
