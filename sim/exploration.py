"""The command explore: scenarios in the virtual world, by many schedules, until one fails."""

from __future__ import annotations

import argparse
import queue
import shlex
import textwrap
import threading
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from rich.console import Console

from sim.abc import NO_TRANSPORT
from sim.arguments import selected, tape_name
from sim.errors import ExitStatus, Problem, ScenarioError, worst
from sim.hang.classes import Hang
from sim.hang.explain import explain
from sim.hang.simulated_programs import tell_apart
from sim.loading import load_all
from sim.report.exploration import Ticker, outcome_line, totals_line
from sim.report.output import printing
from sim.scenario.document import read_text
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario
from sim.tapes import LIVENESS, in_words, status_of
from sim.virtual import sometimes
from sim.virtual import tape as tapes
from sim.virtual.exploring import (
    Combination,
    Coverage,
    Disagreement,
    Explorer,
    Found,
    chunks,
    shard_of,
    union,
)
from sim.virtual.lifecycle.player import objections_to
from sim.virtual.limits import lacks
from sim.virtual.reduction import NOTHING
from sim.virtual.schedulers import parse
from sim.virtual.shrinking import Played
from sim.virtual.tape import Tape

CHUNK = 256  # executions that one thread makes at a time, and that are of one shard
POLL_S = 0.2
CONTRADICTION = "the oracles and the checkers contradict each other: this is a bug in spinbed"
INDENT = " " * 6
VIRTUAL = "virtual"
ELSEWHERE = "it is for the world live, not for virtual"

Chunk = Tuple[int, Combination, range]  # its number over all combinations


@dataclass
class Crowd:
    """Threads that make chunks of executions, each chunk once; results come back unordered.

    After a failure only chunks before it are begun, so that the first one is always the same,
    however many threads there are.
    """

    todo: Iterator[Chunk]
    seed: int
    counts_all: bool
    ends_s: Optional[float]
    done: queue.Queue[Union[Tuple[Chunk, Found], BaseException, None]] = field(
        default_factory=queue.Queue
    )
    first_failure: Optional[int] = None
    is_stopped: bool = False
    executions: int = 0
    steps: int = 0
    coverage: List[Tuple[Combination, Coverage]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> None:
        explorers: Dict[Combination, Explorer] = {}
        try:
            taken = self._take()
            while taken is not None:
                number, combination, numbers = taken
                if combination not in explorers:
                    explorers[combination] = Explorer(
                        combination, time.monotonic, tell_apart
                    )
                first = combination.seed(self.seed, numbers.start)
                found, _ = explorers[combination].explore(
                    range(first, first + len(numbers)),
                    counts_all=self.counts_all,
                    is_over=self._is_over,
                )
                self._finish(taken, found)
                taken = self._take()
        except BaseException as bug:
            self.done.put(bug)
        finally:
            with self.lock:
                self.coverage += [(which, each.coverage) for which, each in explorers.items()]
            self.done.put(None)

    def _is_over(self) -> bool:
        return self.is_stopped or (self.ends_s is not None and time.monotonic() >= self.ends_s)

    def _take(self) -> Optional[Chunk]:
        with self.lock:
            if self._is_over():
                return None
            taken = next(self.todo, None)
            if taken is None or (self.first_failure is not None and taken[0] > self.first_failure):
                return None
            return taken

    def _finish(self, taken: Chunk, found: Found) -> None:
        with self.lock:
            self.executions += found.executions
            self.steps += found.steps
            if found.first is not None and not self.counts_all:
                first = taken[0] if self.first_failure is None else self.first_failure
                self.first_failure = min(taken[0], first)
        self.done.put((taken, found))


def explore(arguments: argparse.Namespace) -> ExitStatus:
    """Raises ScenarioError; KeyboardInterrupt after it has printed what it has."""
    scenarios, elsewhere = _selected(arguments)
    texts = {each.path: read_text(Path(each.path)) for each in scenarios}  # may change meanwhile
    combinations = _combinations(scenarios, arguments)
    crowd = Crowd(
        todo=_chunks(combinations, arguments),
        seed=arguments.seed,
        counts_all=arguments.counts_all,
        ends_s=None
        if arguments.budget_ns is None
        else time.monotonic() + arguments.budget_ns / 1e9,
    )
    began_s = time.monotonic()
    found: Dict[Combination, List[Tuple[int, Found]]] = {each: [] for each in combinations}
    interrupted: Optional[KeyboardInterrupt] = None
    contradicted: Optional[Disagreement] = None
    threads = [
        threading.Thread(target=crowd.work, name=f"explore-{n}", daemon=True)
        for n in range(arguments.jobs)
    ]
    try:
        with Ticker(lambda: (crowd.executions, crowd.steps, time.monotonic() - began_s)):
            for thread in threads:
                thread.start()
            _gather(crowd, len(threads), found)
    except KeyboardInterrupt as error:
        interrupted = error
    except Disagreement as error:
        contradicted = error
    finally:
        crowd.is_stopped = True
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    _drain(crowd, found)
    elapsed_s = time.monotonic() - began_s
    with printing() as console:
        for scenario in elsewhere:
            console.print(f"skip  {scenario.name}  {ELSEWHERE}", soft_wrap=True)
        status = _told(arguments, combinations, crowd, found, elapsed_s, texts, console)
        if contradicted is not None:
            status = _contradicted(contradicted, texts, arguments, console)
        elif crowd.first_failure is None and interrupted is None and arguments.shard == (1, 1):
            status = worst([status, _sometimes(combinations, crowd.coverage, console)])
    if interrupted is not None:
        raise interrupted
    return status


def _selected(arguments: argparse.Namespace) -> Tuple[Sequence[Scenario], Sequence[Scenario]]:
    """Those for the virtual world, and those that leave it out. Raises ScenarioError."""
    chosen = selected(load_all(arguments.paths), arguments)
    scenarios = [each for each in chosen if VIRTUAL in each.worlds]
    elsewhere = [each for each in chosen if VIRTUAL not in each.worlds]
    problems = [
        Problem(scenario.path, None, lack.key, lack.why)
        for scenario in scenarios or elsewhere
        for lack in lacks(scenario)
    ]
    if not scenarios:
        problems += [Problem(each.path, None, "worlds", ELSEWHERE) for each in elsewhere]
    if problems:
        raise ScenarioError(tuple(dict.fromkeys(problems)))
    return scenarios, elsewhere


def _combinations(
    scenarios: Sequence[Scenario], arguments: argparse.Namespace
) -> Sequence[Combination]:
    return [
        Combination(make_plan(scenario, arguments.seed), model, scheduler)
        for scenario in scenarios
        for model in _models(scenario, arguments)
        for scheduler in arguments.schedulers or map(parse, scenario.explore.schedulers)
    ]


def _models(scenario: Scenario, arguments: argparse.Namespace) -> Sequence[str]:
    if scenario.transport is NO_TRANSPORT:
        return (tapes.PROGRAMS,)
    return arguments.models or scenario.explore.models


def _chunks(combinations: Sequence[Combination], arguments: argparse.Namespace) -> Iterator[Chunk]:
    """In turn, so that a budget is shared alike."""
    index, shards = arguments.shard
    number = 0
    parts = [chunks(_executions(each, arguments), CHUNK) for each in combinations]
    for chunk, beside in enumerate(zip_longest(*parts)):
        for combination, numbers in zip(combinations, beside):
            if numbers is not None and shard_of(chunk, shards) == index:
                yield number, combination, numbers
            number += 1


def _executions(combination: Combination, arguments: argparse.Namespace) -> Optional[int]:
    """None: as many as the time suffices for."""
    if not combination.scheduler.has_dice:
        return 1
    if arguments.executions is not None or arguments.budget_ns is not None:
        executions: Optional[int] = arguments.executions
        return executions
    return combination.plan.explore.executions


def _gather(crowd: Crowd, threads: int, found: Dict[Combination, List[Tuple[int, Found]]]) -> None:
    while threads:
        try:
            said = crowd.done.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if said is None:
            threads -= 1
        elif isinstance(said, BaseException):
            raise said
        else:
            (number, combination, _), came_to = said
            found[combination].append((number, came_to))


def _drain(crowd: Crowd, found: Dict[Combination, List[Tuple[int, Found]]]) -> None:
    while not crowd.done.empty():
        said = crowd.done.get_nowait()
        if isinstance(said, tuple):
            (number, combination, _), came_to = said
            found[combination].append((number, came_to))


def _told(
    arguments: argparse.Namespace,
    combinations: Sequence[Combination],
    crowd: Crowd,
    found: Dict[Combination, List[Tuple[int, Found]]],
    elapsed_s: float,
    texts: Mapping[str, str],
    console: Console,
) -> ExitStatus:
    """Print what there is, and keep the tapes; what began behind the first failure counts not."""
    statuses = []
    total = Found()
    for combination in combinations:
        sum_of = Found()
        for number, came_to in sorted(found[combination], key=lambda each: each[0]):
            if crowd.first_failure is None or number <= crowd.first_failure:
                sum_of.add(came_to)
        total.add(sum_of)
        what = "nothing found"
        if sum_of.first is not None:
            what = in_words(sum_of.first[1].outcome, combination.plan)
            statuses.append(status_of(sum_of.first[1].outcome))
        console.print(outcome_line(combination, sum_of, what, combinations), soft_wrap=True)
        if sum_of.first is not None:
            hang = _hang(combination, sum_of.first[1])
            if hang is not None:
                console.print(textwrap.indent(str(hang), INDENT), soft_wrap=True)
            for why in _objections(combination, sum_of.first[1]):
                console.print(textwrap.indent(why, INDENT), soft_wrap=True)
            _keep(combination, *sum_of.first, texts, arguments, console)
    covered = union(each for _, each in crowd.coverage)
    console.print(totals_line(total, elapsed_s, covered), soft_wrap=True)
    if crowd.first_failure is not None:
        console.print("ended at the first failure; --all goes on and counts", soft_wrap=True)
    if total.executions == 0:
        console.print("no execution was made, so nothing is known", soft_wrap=True)
        statuses.append(ExitStatus.UNKNOWN)
    return worst(statuses)


def _hang(combination: Combination, played: Played) -> Optional[Hang]:
    if played.outcome.stop not in LIVENESS or played.outcome.finding is not None:
        return None
    return explain(
        combination.plan, combination.model, played.choices, steps_max=played.outcome.steps
    )


def _objections(combination: Combination, played: Played) -> Sequence[str]:
    """Of the checkers, to an execution of programs; those of a ring are told by its finding."""
    if not combination.plan.is_of_programs:
        return ()
    return objections_to(combination.plan, played.choices, tell_apart)


def _contradicted(
    error: Disagreement,
    texts: Mapping[str, str],
    arguments: argparse.Namespace,
    console: Console,
) -> ExitStatus:
    which = error.combination
    said = f"{which.plan.name} {which.model} {which.scheduler} seed {error.seed}: {error}"
    console.print(said, soft_wrap=True)
    console.print(CONTRADICTION, soft_wrap=True)
    _keep(which, error.seed, error.played, texts, arguments, console)
    return ExitStatus.BUG


def _sometimes(
    combinations: Sequence[Combination],
    coverage: Sequence[Tuple[Combination, Coverage]],
    console: Console,
) -> ExitStatus:
    """What never happened fails a whole exploration; of a part it would say nothing."""
    status = ExitStatus.OK
    plans = {(each.plan.path, each.plan.name): each.plan for each in combinations}
    for (path, name), plan in plans.items():
        covered = union(
            each for which, each in coverage if (which.plan.path, which.plan.name) == (path, name)
        )
        for table in plan.sometimes:
            is_reached = sometimes.is_reached(table, plan, covered)
            mark = "ok    " if is_reached else "FAIL  "
            said = "" if is_reached else " never happened in any execution"
            console.print(f"{mark}{name}  {sometimes.in_words(table)}{said}", soft_wrap=True)
            if not is_reached:
                status = ExitStatus.SAFETY
    return status


def _keep(
    combination: Combination,
    seed: int,
    played: Played,
    texts: Mapping[str, str],
    arguments: argparse.Namespace,
    console: Console,
) -> None:
    """Its tape, and the commands to go on with it."""
    tape = Tape(
        path=combination.plan.path,
        text=texts[combination.plan.path],
        name=combination.plan.name,
        plan_seed=arguments.seed,
        reduction=NOTHING,
        model=combination.model,
        scheduler=str(combination.scheduler),
        seed=seed,
        choices=played.choices,
        outcome=played.outcome,
    )
    file: Path = arguments.tape_dir / tape_name(
        combination.plan, combination.model, str(combination.scheduler)
    )
    tapes.save(tape, file)
    for command in ("replay", "shrink"):
        words = shlex.join(["spinbed", command, str(file)])
        console.print(f"{INDENT}{words}", soft_wrap=True)
