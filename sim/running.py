"""The command run: plans of scenario files, run and reported."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any, Callable, List, NoReturn, Optional, Sequence

from rich.console import Console

from sim import run as story
from sim.arguments import (
    ReportTo,
    journal_name,
    journals_folder,
    reproducing,
    selected,
)
from sim.crew import Crew, failed, skipped
from sim.errors import ExitStatus, Problem, ScenarioError, worst
from sim.live.cpu import check_environments
from sim.live.kernels import default_kernels
from sim.live.pythons import build_for, lack_of_interpreters
from sim.loading import load_all
from sim.report import DRAWN, drawn, rendered, text
from sim.report.progress import Progress
from sim.scenario.plan import Plan
from sim.verdict import RunResult
from sim.worlds import Worlds


def run_command(arguments: argparse.Namespace) -> ExitStatus:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    scenarios = load_all(arguments.paths)
    plans = story.plan_all(selected(scenarios, arguments), arguments.seed, arguments.world)
    check_environments(plans)
    crew = crew_for(
        list(plans) * arguments.repeat,
        again=reproducing(scenarios),
        journals=journals_folder(arguments.journal_dir),
        jobs=arguments.jobs,
        is_required=arguments.require,
        fail_fast=arguments.fail_fast,
        keeps_hangs=arguments.keep_hangs,
    )
    return _report(crew, plans, arguments)


def crew_for(
    plans: Sequence[Plan],
    *,
    again: Callable[[Plan], str],
    journals: Path,
    jobs: int,
    is_required: bool = False,
    fail_fast: bool = False,
    keeps_hangs: bool = False,
) -> Crew[Worlds]:
    """`again` names the command that reproduces a plan's run. Raises ScenarioError where the
    environment asks for kernels of no kind. Builds what other interpreters need: a minute each."""
    default_kernels()  # what there is to warn of comes before the first run
    for plan in plans:
        if plan.world == "live" and lack_of_interpreters(plan) is None:
            build_for(plan)

    def skip(plan: Plan) -> Optional[RunResult]:
        why = story.lacks(plan)
        if why is None:
            return None
        return skipped(plan, why, reproduce=again(plan), is_required=is_required)

    def run(plan: Plan, worlds: Worlds) -> RunResult:
        journal = journals / journal_name(plan)
        return story.run(
            plan, worlds, reproduce=again(plan), journal=journal, keeps_hangs=keeps_hangs
        )

    return Crew(
        plans,
        skip=skip,
        run=run,
        failed=lambda plan, error: failed(plan, error, reproduce=again(plan)),
        open_world=Worlds,
        abort=Worlds.abort,
        jobs=max(1, min(jobs, len(plans))),
        fail_fast=fail_fast,
    )


def _report(
    crew: Crew[Worlds], plans: Sequence[Plan], arguments: argparse.Namespace
) -> ExitStatus:
    """Reports are written of what has finished, also when the rest never will."""
    started_ns = time.monotonic_ns()
    results: List[RunResult] = []
    prints_text = ReportTo("text", None) in arguments.reports
    console = Console(highlight=False)
    name_width = text.width_of(plan.name for plan in plans)
    count = len(plans) * arguments.repeat

    def show(result: RunResult) -> None:
        results.append(result)
        if prints_text:
            _print(console, text.run_line(result, name_width=name_width))

    def running() -> list[tuple[str, float]]:
        return [(plan.name, began) for plan, began in list(crew.running.values())]

    cut_short: Optional[BaseException] = None
    try:
        with Progress(count, running) as progress, crew:
            for result in crew.in_order():
                with progress.aside():
                    show(result)
    except (KeyboardInterrupt, Exception) as error:
        cut_short = error
        prints_text = prints_text and not isinstance(error, BrokenPipeError)
        for result in crew.stragglers():
            show(result)
    if prints_text:
        elapsed_ns = time.monotonic_ns() - started_ns
        _print(console, text.totals(results, elapsed_ns=elapsed_ns))
    _write_reports(arguments.reports, results)
    if len(results) < count and not isinstance(cut_short, BrokenPipeError):
        print(f"{count - len(results)} of {count} runs did not finish", file=sys.stderr)
    if cut_short is not None:
        raise cut_short
    return worst(result.exit_status for result in results)


def _write_reports(reports: Sequence[ReportTo], results: Sequence[RunResult]) -> None:
    for report in reports:
        if report.file is None and report.alias == "text":
            continue  # printed as the runs finished
        if report.alias in DRAWN and report.file is not None:
            _draw(report.alias, results, report.file)
            continue
        content = rendered(report.alias, results)
        if report.file is None:
            sys.stdout.write(content)
        else:
            try:
                report.file.write_text(content, encoding="utf-8")
            except OSError as error:
                _refuse(f"--report {report.alias}={report.file}: {error.strerror}")


def _draw(alias: str, results: Sequence[RunResult], folder: Path) -> None:
    try:
        made = drawn(alias, results, folder)
    except OSError as error:
        _refuse(f"--report {alias}={folder}: {error.strerror}")
    print(f"{alias}: {len(made)} files in {folder}", file=sys.stderr)


def _print(console: Console, line: Any) -> None:
    """By way of a string: rich would turn a closed pipe into exit status 1."""
    with console.capture() as captured:
        console.print(line, soft_wrap=True)
    sys.stdout.write(captured.get())
    sys.stdout.flush()


def _refuse(message: str) -> NoReturn:
    raise ScenarioError([Problem("spinbed", None, None, message)])
