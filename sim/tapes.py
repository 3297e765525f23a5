"""The commands on tapes: replay one, shrink one, tell two apart."""

from __future__ import annotations

import argparse
import io
import re
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import List, Tuple

from rich.console import Console

from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.hang.explain import explain, hang_class
from sim.hang.simulated_programs import tell_apart
from sim.report import difference, lanes
from sim.report.output import printing
from sim.scenario.plan import Plan
from sim.transport.words import name_at, value_at
from sim.virtual import tape as tapes
from sim.virtual.lifecycle.player import ProgramsPlayer, events, objections_to
from sim.virtual.players import open_player
from sim.virtual.reduction import NOTHING
from sim.virtual.shrinking import Played, Shrunk, shrink
from sim.virtual.tape import Outcome, Tape

LIVENESS = ("stuck", "out_of_steps", "in_time")
SHOWN_AFTER_SHRINKING = 60  # lines: what is shrunk is short
DIVERGED = "the tape is whole, of this protocol, and not what happened: this is a bug in spinbed"


def status_of(outcome: Outcome) -> ExitStatus:
    if outcome.failure is None:
        return ExitStatus.OK
    return ExitStatus.LIVENESS if outcome.failure in LIVENESS else ExitStatus.SAFETY


def in_words(outcome: Outcome, plan: Plan) -> str:
    if outcome.finding is None:
        return {
            "ended": "nothing found",
            "stuck": "stuck: nothing can move any more",
            "out_of_steps": f"no end within {outcome.steps} steps",
            "in_time": "not over by its deadline",
            "found": "a checker objects",
        }.get(outcome.stop, outcome.stop)
    name, process, position = outcome.finding
    return f"{name} at position {position}, found by {names(plan)[process]}"


def names(plan: Plan) -> List[str]:
    """Of the processes, by their number on the machine."""
    return [p.name for p in sorted(plan.processes, key=lambda p: -1 if p.rank is None else p.rank)]


def tape_line(tape: Tape, plan: Plan) -> str:
    outcome = tape.outcome
    faults = len(plan.injections)
    return (
        f"{tape.name}  {tape.model}  {tape.scheduler} seed {tape.seed}  "
        f"{outcome.steps} steps, {len(tape.deviations)} deviations, "
        f"{faults} fault{'' if faults == 1 else 's'}, {len(plan.processes)} processes"
    )


def replay(arguments: argparse.Namespace) -> ExitStatus:
    with printing() as console:
        return _replay(arguments, console)


def _replay(arguments: argparse.Namespace, console: Console) -> ExitStatus:
    tape = tapes.load(arguments.tape)
    plan = tape.plan()
    if plan.is_of_programs:
        return _replay_programs(arguments, tape, plan, console)
    is_traced = arguments.trace or arguments.svg is not None
    played, execution = traced(tape, plan) if is_traced else (_played(tape, plan), None)
    if execution is not None and arguments.trace:
        lanes.render(execution, console)
    if execution is not None and arguments.svg is not None:
        _export(execution, arguments.svg)
    console.print(tape_line(tape, plan), soft_wrap=True)
    said = f"{in_words(played.outcome, plan)}  hash {played.outcome.hash:016x}"
    console.print(said, soft_wrap=True)
    if _has_diverged(tape, played):
        console.print(
            f"diverged: the tape says {in_words(tape.outcome, plan)}, {tape.outcome.steps} steps, "
            f"hash {tape.outcome.hash:016x}; it came to {played.outcome.steps} steps\n{DIVERGED}"
        )
        return ExitStatus.BUG
    return status_of(played.outcome)


def _replay_programs(
    arguments: argparse.Namespace, tape: Tape, plan: Plan, console: Console
) -> ExitStatus:
    if arguments.svg is not None:
        said = "the executions of programs have no lanes that could be drawn: take --trace"
        raise ScenarioError([Problem(str(arguments.tape), None, "--svg", said)])
    played = ProgramsPlayer(plan, tell_apart).replay(tape.choices)
    for line in events(plan, tape.choices, tell_apart) if arguments.trace else ():
        console.print(line, soft_wrap=True)
    console.print(tape_line(tape, plan), soft_wrap=True)
    hang = explain(plan, tape.model, tape.choices)
    told = [] if hang is None else [str(hang)]
    for text in [*objections_to(plan, tape.choices, tell_apart), *told]:
        console.print(text, soft_wrap=True)
    said = f"{in_words(played.outcome, plan)}  hash {played.outcome.hash:016x}"
    console.print(said, soft_wrap=True)
    if _has_diverged(tape, played):
        console.print(DIVERGED)
        return ExitStatus.BUG
    return status_of(played.outcome)


def shrink_tape(arguments: argparse.Namespace) -> ExitStatus:
    with printing() as console:
        return _shrink(arguments, console)


def _shrink(arguments: argparse.Namespace, console: Console) -> ExitStatus:
    tape = tapes.load(arguments.tape)
    plan = tape.plan()
    if plan.is_of_programs:
        return _shrink_programs(arguments, tape, plan, console)
    played = _played(tape, plan)
    if _has_diverged(tape, played):
        console.print(DIVERGED)
        return ExitStatus.BUG
    if played.outcome.failure is None:
        console.print(f"{tape_line(tape, plan)}\nnothing found: there is nothing to shrink")
        return ExitStatus.OK
    began_s = time.monotonic()
    result = shrink(
        replace(tape, reduction=NOTHING).plan(),
        tape.reduction,
        played,
        open_player=lambda smaller: open_player(smaller, tape.model, time.monotonic),
        hang_of=lambda smaller, choices: hang_class(smaller, tape.model, choices),
        now_s=time.monotonic,
        budget_s=arguments.budget_ns / 1e9,
    )
    small = _shrunk(tape, result)
    file = arguments.output or _beside(arguments.tape)
    tapes.save(small, file)
    _, execution = traced(small, small.plan())
    lanes.render(execution, console, last=SHOWN_AFTER_SHRINKING)
    console.print(f"before  {tape_line(tape, plan)}", soft_wrap=True)
    console.print(f"after   {tape_line(small, small.plan())}", soft_wrap=True)
    told = "no execution of it with fewer fails alike" if result.is_least else "the time was over"
    console.print(f"{in_words(small.outcome, small.plan())}; {told}", soft_wrap=True)
    console.print(f"{file} written in {time.monotonic() - began_s:.1f} s", soft_wrap=True)
    console.print(shlex.join(["spinbed", "replay", str(file), "--trace"]), soft_wrap=True)
    return status_of(small.outcome)


def _shrink_programs(
    arguments: argparse.Namespace, tape: Tape, plan: Plan, console: Console
) -> ExitStatus:
    """The choices alone: a plan of programs has nothing that could be left out of it."""
    player = ProgramsPlayer(plan, tell_apart)
    played = player.replay(tape.choices)
    if _has_diverged(tape, played):
        console.print(DIVERGED)
        return ExitStatus.BUG
    less, tried = player.with_fewer(played)
    small = replace(tape, choices=less.choices, outcome=less.outcome)
    file = arguments.output or _beside(arguments.tape)
    tapes.save(small, file)
    console.print(f"before  {tape_line(tape, plan)}", soft_wrap=True)
    console.print(f"after   {tape_line(small, plan)}", soft_wrap=True)
    console.print(f"{file} written after {tried} executions", soft_wrap=True)
    console.print(shlex.join(["spinbed", "replay", str(file), "--trace"]), soft_wrap=True)
    return status_of(small.outcome)


def _shrunk(tape: Tape, result: Shrunk) -> Tape:
    return replace(
        tape,
        reduction=result.reduction,
        choices=result.played.choices,
        outcome=result.played.outcome,
    )


def _beside(file: Path) -> Path:
    return file.with_name(re.sub(r"(\.tape)?\.json$", "", file.name) + ".shrunk.tape.json")


def diff(arguments: argparse.Namespace) -> ExitStatus:
    """0: the same; 1: not."""
    with printing() as console:
        return _diff(arguments, console)


def _diff(arguments: argparse.Namespace, console: Console) -> ExitStatus:
    pair = [tapes.load(file) for file in (arguments.tape, arguments.other)]
    executions = []
    for tape in pair:
        if tape.model == tapes.PROGRAMS:
            said = "is of programs: compare what `spinbed replay --trace` prints of both"
            raise ScenarioError([Problem(tape.path, None, None, said)])
        played, execution = traced(tape, tape.plan())
        if _has_diverged(tape, played):
            console.print(DIVERGED)
            return ExitStatus.BUG
        executions.append(execution)
    for what in ("name", "plan_seed", "reduction", "model"):
        one, other = (getattr(tape, what) for tape in pair)
        if one != other:
            console.print(f"{what.replace('_', ' ')} differs: {one}; {other}", soft_wrap=True)
    called = [str(arguments.tape), str(arguments.other)]
    is_same = difference.render(executions[0], executions[1], console, called=called)
    return ExitStatus.OK if is_same else ExitStatus.SAFETY


def _played(tape: Tape, plan: Plan) -> Played:
    return open_player(plan, tape.model, time.monotonic).replay(tape.choices)


def traced(tape: Tape, plan: Plan) -> Tuple[Played, lanes.Execution]:
    player = open_player(plan, tape.model, time.monotonic)
    player.simulation.limit(traces=True)
    played = player.replay(tape.choices)
    execution = lanes.Execution(
        names=names(plan),
        name_at=lambda offset: name_at(plan.transport, offset),
        value_at=lambda offset, value: value_at(plan.transport, offset, value),
        model=tape.model,
        trace=player.simulation.trace(),
        choices=played.choices,
        finding=played.outcome.finding,
        stop=played.outcome.stop,
    )
    return played, execution


def _has_diverged(tape: Tape, played: Played) -> bool:
    return played.has_diverged or played.outcome != tape.outcome


def _export(execution: lanes.Execution, file: Path) -> None:
    recording = Console(record=True, width=lanes.SVG_COLUMNS, file=io.StringIO(), highlight=False)
    lanes.render(execution, recording)
    try:
        recording.save_svg(str(file), title="spinbed")
    except OSError as error:
        raise WorldError("writing a picture", errno=error.errno, detail=str(file)) from error
