"""What the command does: arguments in, reports and an exit status out."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable, List, NoReturn, Optional, Sequence

from rich.console import Console

import cy_kernels
from sim import run as story
from sim.arguments import (
    JOURNALS,
    ReportTo,
    journal_name,
    journals_folder,
    parse,
    reproducing,
    selected,
    version,
)
from sim.crew import Crew, failed, skipped
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError, worst
from sim.exploring_arguments import explorer
from sim.live import doctor
from sim.live.cpu import check_environments
from sim.live.kernels import default_kernels
from sim.report import REPORTS, text
from sim.report.progress import Progress
from sim.scenario.plan import Plan
from sim.scenario.schema import json_schema
from sim.verdict import RunResult
from sim.worlds import Worlds

PIPE_CLOSED = 128 + signal.SIGPIPE
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
REPORT_A_BUG = "This is a bug in spinbed. Please report it, with the lines above and the command."


def execute(argv: Sequence[str]) -> int:
    """The exit status; says what went wrong on standard error. Raises KeyboardInterrupt."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name the locale cannot show
    try:
        arguments = parse(argv)
        status = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return int(status)
    except ScenarioError as error:
        return _say(error, ExitStatus.BAD_INPUT)
    except BrokenPipeError:
        _give_up_stdout()
        return PIPE_CLOSED
    except WorldError as error:
        return _say(error, ExitStatus.UNKNOWN)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            _give_up_stdout()
            return _say(f"cannot write the report: {error.strerror}", ExitStatus.UNKNOWN)
        traceback.print_exc()
        return _say(REPORT_A_BUG, ExitStatus.BUG)


def _open_closed_streams() -> None:
    """A stream that our caller closed goes nowhere; left alone, its number would be taken by the
    next socket or journal, and whatever a participant prints would end in there."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere < number:  # the lowest free one: that of an earlier stream
                os.dup2(nowhere, number)
                os.close(nowhere)
                nowhere = number
            os.set_inheritable(nowhere, True)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(nowhere, mode, encoding="utf-8", closefd=False))


def _give_up_stdout() -> None:
    """The interpreter's own flush at exit must not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(what: object, status: ExitStatus) -> int:
    with contextlib.suppress(OSError):  # nobody reads, or the disk is full
        print(what, file=sys.stderr, flush=True)
    return int(status)


def _run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    scenarios = story.load_all(arguments.paths)
    plans = story.plan_all(selected(scenarios, arguments), arguments.seed, arguments.world)
    check_environments(plans)
    crew = crew_for(
        list(plans) * arguments.repeat,
        again=reproducing(scenarios),
        journals=journals_folder(arguments.journal_dir),
        jobs=arguments.jobs,
        is_required=arguments.require,
        fail_fast=arguments.fail_fast,
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
) -> Crew[Worlds]:
    """`again` names the command that reproduces a plan's run. Raises ScenarioError where the
    environment asks for kernels of no kind."""
    default_kernels()  # what there is to warn of comes before the first run

    def skip(plan: Plan) -> Optional[RunResult]:
        why = story.lacks(plan)
        if why is None:
            return None
        return skipped(plan, why, reproduce=again(plan), is_required=is_required)

    def run(plan: Plan, worlds: Worlds) -> RunResult:
        journal = journals / journal_name(plan)
        return story.run(plan, worlds, reproduce=again(plan), journal=journal)

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


def _report(crew: Crew[Worlds], plans: Sequence[Plan], arguments: argparse.Namespace) -> int:
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
        content = REPORTS[report.alias](results)
        if report.file is None:
            sys.stdout.write(content)
        else:
            try:
                report.file.write_text(content, encoding="utf-8")
            except OSError as error:
                _refuse(f"--report {report.alias}={report.file}: {error.strerror}")


def _print(console: Console, line: Any) -> None:
    """By way of a string: rich would turn a closed pipe into exit status 1."""
    with console.capture() as captured:
        console.print(line, soft_wrap=True)
    sys.stdout.write(captured.get())
    sys.stdout.flush()


def _list(arguments: argparse.Namespace) -> int:
    runs = selected(story.load_all(arguments.paths), arguments)
    name_width = text.width_of(run.name for run in runs)
    for run in runs:
        print(f"{run.name:<{name_width}}  {run.path}")
    return ExitStatus.OK


def _validate(arguments: argparse.Namespace) -> int:
    for path, count in story.count_all(arguments.paths).items():
        print(f"{path}: ok, {count} run{'' if count == 1 else 's'}")
    return ExitStatus.OK


def _schema(arguments: argparse.Namespace) -> int:
    print(json.dumps(json_schema(), indent=2))
    return ExitStatus.OK


def _doctor(arguments: argparse.Namespace) -> int:
    facts = doctor.examine()
    width = max(len(fact.name) for fact in facts)
    for fact in facts:
        print(f"{fact.name:<{width}}  {fact.value}")
    for lack in doctor.missing(facts):
        print(f"missing: {lack}")
    left = doctor.left_overs([str(JOURNALS), tempfile.gettempdir()], reap=arguments.reap)
    print("", *left.lines, sep="\n")
    return ExitStatus.LEAK if left.dead else ExitStatus.OK


def _version(arguments: argparse.Namespace) -> int:
    print(f"spinbed {version()} ({cy_kernels.status()})")
    return ExitStatus.OK


def _refuse(message: str) -> NoReturn:
    raise ScenarioError([Problem("spinbed", None, None, message)])


def _later(module: str, name: str) -> Callable[[argparse.Namespace], ExitStatus]:
    """A command whose module only it needs."""

    def command(arguments: argparse.Namespace) -> ExitStatus:
        status: ExitStatus = getattr(importlib.import_module(module), name)(arguments)
        return status

    return command


def _simulated(module: str, name: str) -> Callable[[argparse.Namespace], ExitStatus]:
    """A command that needs the simulated machine, which is there only where it was compiled."""

    def command(arguments: argparse.Namespace) -> ExitStatus:
        try:
            explorer()
        except argparse.ArgumentTypeError as error:
            _refuse(str(error))
        return _later(module, name)(arguments)

    return command


COMMANDS = {
    "run": _run,
    "list": _list,
    "validate": _validate,
    "schema": _schema,
    "try": _later("sim.trying", "try_command"),
    "matrix": _later("sim.matrix", "matrix_command"),
    "new": _later("sim.trying", "new_command"),
    "doctor": _doctor,
    "explore": _simulated("sim.exploration", "explore"),
    "replay": _simulated("sim.tapes", "replay"),
    "shrink": _simulated("sim.tapes", "shrink_tape"),
    "diff": _simulated("sim.tapes", "diff"),
    "version": _version,
}
