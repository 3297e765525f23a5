"""`spinbed try`: a command of the user's own under faults, without a file; and `spinbed new`."""

from __future__ import annotations

import argparse
import errno
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Dict, List, NoReturn, Optional, Sequence

from sim import bundle
from sim import run as story
from sim.arguments import journal_name, journals_folder
from sim.errors import ExitStatus, Problem, ScenarioError
from sim.history import journal
from sim.report import text
from sim.report.timeline import timeline
from sim.scenario.durations import BadDuration, parse_duration
from sim.scenario.examples import EXAMPLES
from sim.scenario.loader import load_text
from sim.scenario.shorthand import BadShorthand, fault_keys, scenario_text
from sim.worlds import Worlds

NAME = "try"
FLAGS = {"process": "COMMAND", "deadline": "--deadline"}  # by the part of a file that they become


def try_command(arguments: argparse.Namespace) -> ExitStatus:
    """Says what happened, and whether all of it is accounted for; the status is that of `run`."""
    made: List[Dict[str, object]] = []
    problems: List[Problem] = []
    for word in arguments.faults:
        try:
            made.append(dict(fault_keys(word)))
        except BadShorthand as bad:
            problems.append(Problem("spinbed try --fault", None, None, str(bad), bad.nearest))
    try:
        parse_duration(arguments.deadline)
    except BadDuration as bad:
        why = f"{arguments.deadline!r} {bad}"
        problems.append(Problem("spinbed try --deadline", None, None, why, bad.nearest))
    if problems:
        raise ScenarioError(problems)
    name = NAME if arguments.save is None else _name_of(arguments.save)
    content = scenario_text(arguments.argv, made, name=name, deadline=arguments.deadline)
    shown = "spinbed try" if arguments.save is None else str(arguments.save)
    try:
        (scenario,) = load_text(content, shown)
        (plan,) = story.plan_all([scenario], 0)
    except ScenarioError as error:
        found = [_by_flag(each, arguments.faults) for each in error.problems]
        raise ScenarioError(found) from None
    if arguments.save is not None:
        _write_new(arguments.save, content, "--save")
    lack = story.lacks(plan)
    if lack is not None:
        print(f"skipped: {lack}")
        return ExitStatus.UNKNOWN
    kept = journals_folder(Path(".spinbed") / "journals") / journal_name(plan)
    again = _same(arguments) if arguments.save is None else f"spinbed run {arguments.save}"
    with Worlds() as worlds:
        result = story.run(plan, worlds, reproduce=again, journal=kept)
    for line in timeline(journal.read(kept)):
        print(line)
    print()
    for each in text.failure_lines(result)[:1] if not result.as_expected else ():
        print(f"unaccounted for: {each}")
    print(f"verdict: {result.verdict}; journal: {kept}")
    if result.bundle is not None:
        print(f"the hang: {shlex.join(['spinbed', 'report', result.bundle])}")
    sys.stdout.flush()
    return result.exit_status


def _same(arguments: argparse.Namespace) -> str:
    words = ["spinbed", "try", "--deadline", arguments.deadline]
    for fault in arguments.faults:
        words += ["--fault", fault]
    return shlex.join([*words, "--", *arguments.argv])


def new_command(arguments: argparse.Namespace) -> ExitStatus:
    if arguments.bundle is not None:
        return _new_from(arguments.bundle, arguments.file)
    content = EXAMPLES[arguments.of].replace("NAME", _name_of(arguments.file))
    _write_new(arguments.file, content, str(arguments.file))
    print(f"{arguments.file}: written; next: spinbed run {arguments.file}")
    return ExitStatus.OK


def _new_from(place: Path, file: Path) -> ExitStatus:
    """It keeps the name of the scenario, on which depends what the seed decides."""
    found = bundle.read(place)
    if found.scenario is None:
        _refuse(f"--from {place}: its run was of no scenario file")
    load_text(found.scenario, str(place / bundle.SCENARIO))
    _write_new(file, found.scenario, str(file))
    words = ["spinbed", "run", str(file), "--seed", str(found.seed), "--world", found.world]
    print(f"{file}: written; next: {shlex.join(words)}")
    return ExitStatus.OK


def _by_flag(problem: Problem, words: Sequence[str]) -> Problem:
    """At the flag rather than at a line of a file that nobody has seen."""
    found = re.match(r"fault\[(\d+)\]", problem.key or "")
    if found is None:
        part = (problem.key or "").partition("[")[0]
        flag = " ".join(filter(None, ["spinbed try", FLAGS.get(part)]))
        return Problem(flag, None, None, problem.message, problem.nearest)
    word = words[int(found.group(1))]
    return Problem(f"spinbed try --fault {word}", None, None, problem.message, problem.nearest)


def _name_of(path: Path) -> str:
    """A scenario is called after its file."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-_.")[:100]
    return name or NAME


def _write_new(path: Path, content: str, what: str) -> None:
    """What is there stays."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        why = "it exists already" if error.errno == errno.EEXIST else os.strerror(error.errno or 0)
        _refuse(f"{what} {path}: {why}" if what == "--save" else f"{path}: {why}")
    with open(fd, "w", encoding="utf-8") as written:
        written.write(content)


def _refuse(message: str, near: Optional[str] = None) -> NoReturn:
    raise ScenarioError([Problem("spinbed", None, None, message, near)])
