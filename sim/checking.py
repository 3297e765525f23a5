"""The command check: is a live run's journal an execution that the simulated machine allows?"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Optional

from rich.console import Console

from sim.errors import ExitStatus, Problem, ScenarioError, worst
from sim.history import journal
from sim.history.history import Header
from sim.history.journal import FIRST_OP_LINE
from sim.inclusion.account import Impossible, NotTold
from sim.inclusion.inclusion import include
from sim.report.output import printing
from sim.scenario.document import read_text
from sim.scenario.loader import load_text
from sim.scenario.names import nearest
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.verdict import in_words


def check_command(arguments: argparse.Namespace) -> ExitStatus:
    """0: all are; 1: one is none; 2: of one it cannot be said."""
    with printing() as console:
        return worst([_check(file, console) for file in arguments.journals])


def _check(file: Path, console: Console) -> ExitStatus:
    history = journal.read(file)
    plan = plan_of(history.header, str(file))
    try:
        effects = include(plan, history)
    except Impossible as why:
        place = f"{file}:{FIRST_OP_LINE + why.op}: {in_words(history.ops[why.op])}"
        console.print(f"{place}\nno execution has that: {why.why}", soft_wrap=True)
        return ExitStatus.SAFETY
    except NotTold as why_not:
        console.print(f"{file}: cannot be told: {why_not}", soft_wrap=True)
        return ExitStatus.UNKNOWN
    said = f"{file}: allowed: the simulated machine does the same in {effects} steps"
    console.print(f"{said}, in an order that fits the times", soft_wrap=True)
    return ExitStatus.OK


def plan_of(header: Header, file: str) -> Plan:
    """What the run was of, from its scenario's file. Raises ScenarioError where that is gone or
    another one."""
    if header.world != "live":
        _refuse(file, "header.world", f"{header.world}: only live runs are to be checked")
    scenarios = load_text(read_text(Path(header.path), what="scenario"), header.path)
    names = [scenario.name for scenario in scenarios]
    if header.name not in names:
        near = nearest(header.name, names)
        _refuse(file, "header.name", f"{header.path} makes no run {header.name!r}", near)
    plan = make_plan(scenarios[names.index(header.name)], header.seed, "live")
    if replace(plan.header, world="live", name_prefix=header.name_prefix) != header:
        _refuse(file, "header", f"{header.path} has changed since the run")
    return plan


def _refuse(file: str, key: str, message: str, near: Optional[str] = None) -> NoReturn:
    raise ScenarioError([Problem(file, 1, key, message, near)])
