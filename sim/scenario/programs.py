"""From checked tables of programs to what a plan says of them, and what they must agree on."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from sim.checkers import ASKED_FOR
from sim.faults.env_var import FREE, OURS
from sim.scenario.lines import Path
from sim.scenario.models import AfterOps, AtProbe, AtStep
from sim.scenario.names import show
from sim.scenario.plan import ProgramWorkload
from sim.scenario.problems import Collector
from sim.scenario.program_models import ProgramProcess

# Checkers of what happens to programs. The others speak of messages, and there are none.
CHECKERS = ("liveness", "exits", "logs", "leaks")


def has_programs(processes: Sequence[Any]) -> bool:
    return any(isinstance(process, ProgramProcess) for process in processes)


def worlds_of(head: Any) -> Sequence[str]:
    """Programs are for the live world, unless the file says otherwise: few have a model."""
    if head is None or "worlds" not in head.model_fields_set:
        return ("live",)
    return tuple(dict.fromkeys(head.worlds))


def workload_of(table: ProgramProcess) -> ProgramWorkload:
    return ProgramWorkload(
        program=table.program, argv=tuple(table.argv or ()), cwd=table.cwd
    )


def check_programs(tables: Any, keys: Mapping[str, Any], problems: Collector) -> None:
    """What a file of programs must not ask for, and a file of others not of programs."""
    are_programs = has_programs(tables.processes)
    others = [each for each in tables.processes if not isinstance(each, ProgramProcess)]
    for index, process in enumerate(tables.processes):
        if isinstance(process, ProgramProcess):
            _check_program(process, ("process", index), problems)
            if any(other is not None for other in others):
                message = "a program beside writer and readers: a file has programs or a ring"
                problems.add(("process", index), message)
                return
    for index, fault in enumerate(tables.faults):
        at = getattr(fault, "at", None)
        if are_programs and isinstance(at, (AfterOps, AtStep)):
            message = "a program has no operations and no steps: wait for a time or a probe"
            problems.add(("fault", index, "at"), message)
        elif not are_programs and isinstance(at, AtProbe):
            problems.add(("fault", index, "at"), "only a program has probes")
    if not are_programs:
        for index, check in enumerate(tables.checks):
            if check is not None and check.alias in ASKED_FOR:
                message = f"{show(check.alias)} is of programs, and there are none"
                problems.add(("check", index, "alias"), message)
        return
    if "transport" in keys:
        problems.add(("transport",), "nobody talks over it: the processes are programs")
    if "explore" in keys and "virtual" not in worlds_of(tables.head):
        message = "only models of programs are explored: `worlds` must name the virtual one"
        problems.add(("explore",), message)


def _check_program(process: ProgramProcess, path: Path, problems: Collector) -> None:
    if (process.program is None) == (process.argv is None):
        problems.add((*path, "program"), "needs one of program and argv")
    if process.argv and not process.argv[0]:
        problems.add((*path, "argv", 0), "an empty string is no command")
    if process.program is None:
        for name in ("python", "start"):
            if name in process.model_fields_set:
                message = "goes with `program`: argv names its own interpreter"
                problems.add((*path, name), message)
    elif process.python is not None and process.start not in ("template", "spawn", "forkserver"):
        message = f"{show(process.start)} would be a fork of the runner's interpreter, not of "
        problems.add((*path, "start"), message + show(process.python))
    for name in process.env:
        if name.startswith(OURS) and name not in FREE:
            problems.add((*path, "env"), f"{name} is spinbed's own to set")

