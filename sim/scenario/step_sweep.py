"""Checks the step triggers of a file, and makes one run for each step where one says "every"."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from sim.abc import Capability
from sim.scenario import agreement, steps
from sim.scenario.fault_schema import fault_of
from sim.scenario.lines import Path
from sim.scenario.models import AtStep, WriterProcess
from sim.scenario.names import nearest, show
from sim.scenario.problems import Collector
from sim.scenario.program_models import ProgramProcess
from sim.scenario.programs import has_programs
from sim.scenario.steps import EVERY, MESSAGE, PARKING, Walker
from sim.scenario.sweep import RUNS_MAX
from sim.scenario.tables import Process, Tables
from sim.scenario.who import candidates_of

# What can be done to a process that waits at a step, where it obeys nobody.
FROM_OUTSIDE = frozenset(
    {
        Capability.PAUSE,
        Capability.KILL,
        Capability.RESTART,
        Capability.UNLINK,
        Capability.TRUNCATE,
    }
)

Crew = Mapping[str, Process]


def check_steps(tables: Tables, problems: Collector) -> None:
    """Where a table that a step depends on is wrong, the steps are judged once it is right."""
    if tables.transport is None or None in tables.processes or has_programs(tables.processes):
        return
    crew = {process.name: process for process in tables.processes if process is not None}
    gated: Dict[str, int] = {}
    for index, table in enumerate(tables.faults):
        if table is None:
            continue
        path: Path = ("fault", index, "at")
        kind = fault_of(table)
        if not isinstance(table.at, AtStep):
            if hasattr(kind, "step_action") and table.at is not None:
                problems.add(path, f"{table.kind} needs {{ step = ... }}")
            continue
        if hasattr(kind, "step_action"):
            if table.at.process not in (None, table.target):
                message = f"{table.kind} is what {table.target} does at a step of its own"
                problems.add((*path, "process"), message, table.target)
                continue
            chosen = path_of(table.at, tables, crew, table.target)
            if chosen in getattr(kind, "never_on", ()):
                problems.add((*path, "path"), f"{table.kind} is not for path {show(chosen)}")
        elif kind is not None and not kind.requires <= FROM_OUTSIDE:
            message = f"{table.kind} asks the process for something, and at a step it obeys nobody"
            problems.add((*path, "step"), message)
        walkers = {name: _walker(name, tables, crew) for name in _who(table, crew)}
        for name in walkers:
            if gated.setdefault(name, index) != index:
                message = f"{name} has one gate, and fault[{gated[name]}] may use it"
                problems.add((*path, "step"), message)
        _check_step(table.at, list(dict.fromkeys(walkers.values())), path, problems)


def each_step(tables: Tables, suffix: str) -> Sequence[Tuple[Tables, str]]:
    """The run as it is or, for each `step = "every"`, one run for each of its steps. The suffix
    of a run's name says which."""
    assert tables.transport is not None
    crew = {process.name: process for process in tables.processes if process is not None}
    axes: List[List[Tuple[int, Tuple[str, int]]]] = []
    for index, table in enumerate(tables.faults):
        if table is not None and isinstance(table.at, AtStep) and table.at.step == EVERY:
            walker = _walker(_who(table, crew)[0], tables, crew)
            assert walker is not None
            found = steps.steps_of(walker, table.at.path or MESSAGE)
            axes.append([(index, step) for step in found])
    return [_at(tables, suffix, cells) for cells in itertools.product(*axes)]


def alone(document: Mapping[str, Any], stepped: Tables) -> Mapping[str, Any]:
    """The document of the run with these steps, and of no other; it is called as that run is."""
    faults = [*document.get("fault", ())]
    sweep = dict(document.get("sweep", {}))
    for index, table in enumerate(stepped.faults):
        at = getattr(table, "at", None)
        if not isinstance(at, AtStep) or faults[index]["at"].get("step") != EVERY:
            continue
        own = {"path": MESSAGE, **faults[index]["at"], "step": at.step}
        named: Dict[str, List[object]] = {f"fault[{index}].at.step": [at.step]}
        if at.occurrence > 1:
            own["occurrence"] = at.occurrence
            named[f"fault[{index}].at.occurrence"] = [at.occurrence]
        faults[index] = {**faults[index], "at": own}
        sweep["zip"] = {**sweep.get("zip", {}), **named}  # which comes last in a name
    changed = {"fault": faults, "sweep": sweep}
    return {**document, **{name: value for name, value in changed.items() if value}}


def path_of(at: AtStep, tables: Tables, crew: Crew, target: str) -> str:
    """The path of a trigger that names none: message, or else the first that the step lies on."""
    walker = _walker(at.process or target, tables, crew)
    if at.path is not None or walker is None:
        return at.path or MESSAGE
    paths = steps.paths_with(at.step, walker)
    return MESSAGE if MESSAGE in paths or not paths else paths[0]


def _at(
    tables: Tables, suffix: str, cells: Sequence[Tuple[int, Tuple[str, int]]]
) -> Tuple[Tables, str]:
    changed = list(tables.faults)
    named = [suffix[1:-1]] if suffix else []
    for index, (step, occurrence) in cells:
        table = changed[index]
        assert table is not None
        at = table.at.model_copy(
            update={"step": step, "occurrence": occurrence, "path": table.at.path or MESSAGE}
        )
        changed[index] = table.model_copy(update={"at": at})
        named.append(f"fault[{index}].at.step={step}")
        if occurrence > 1:
            named.append(f"fault[{index}].at.occurrence={occurrence}")
    return replace(tables, faults=changed), f"[{','.join(named)}]" if named else ""


def _who(table: object, crew: Crew) -> Sequence[str]:
    """Who may come to the step; nobody where the name is wrong, which others say."""
    name = table.at.process or table.target  # type: ignore[attr-defined]
    return candidates_of(name, crew)[0]


def _walker(name: str, tables: Tables, crew: Crew) -> Optional[Walker]:
    """None: a plug-in, whose steps nobody knows."""
    assert tables.transport is not None
    readers = sum(process.count for process in crew.values() if process.role == "reader")
    spec = agreement.transport_spec(tables.transport, readers=readers)
    process = crew[name.split("[")[0]]
    assert not isinstance(process, ProgramProcess)
    writers = [process for process in crew.values() if isinstance(process, WriterProcess)]
    if not steps.is_known(spec.kind) or not writers:
        return None
    return Walker(
        ring=spec.kind,
        role=process.role,
        wait=process.wait,
        readers=readers,
        order=spec.order,
        mutant=spec.mutant,
        is_woken_for=any(p.role != process.role and p.wait in PARKING for p in crew.values()),
        can_evict=spec.evict_dead,
        has_deadline=process.workload.deadline is not None,
        finish=writers[0].workload.finish,
    )


def _check_step(
    at: AtStep, walkers: Sequence[Optional[Walker]], path: Path, problems: Collector
) -> None:
    at_step: Path = (*path, "step")
    if at.step == EVERY and "occurrence" in at.model_fields_set:
        problems.add((*path, "occurrence"), "goes with one step, not with every")
    for walker in walkers:
        if walker is None:
            if at.step == EVERY:
                problems.add(at_step, "the steps of this transport are not known: name one")
        elif at.step == EVERY:
            _check_every(at, walker, path, problems)
        else:
            _check_named(at, walker, path, problems)
    if at.step == EVERY and len(walkers) > 1:
        problems.add(at_step, "these processes do not have the same steps: name one of them")


def _check_every(at: AtStep, walker: Walker, path: Path, problems: Collector) -> None:
    chosen = at.path or MESSAGE
    found = steps.steps_of(walker, chosen)
    if len(found) > RUNS_MAX:
        problems.add((*path, "step"), f"makes {len(found)} runs; at most {RUNS_MAX}")
    if found:
        return
    message = f"no step of a {walker.ring} {walker.role} lies on path {show(chosen)}"
    if chosen in steps.paths_of(walker):
        message = f"a {walker.role} never comes to path {show(chosen)} here: "
        message += steps.why_none(walker, chosen)
    problems.add((*path, "path"), message)


def _check_named(at: AtStep, walker: Walker, path: Path, problems: Collector) -> None:
    on = steps.paths_with(at.step, walker)
    who = f"a {walker.ring} {walker.role}"
    if not on:
        near = nearest(at.step, steps.names_of(walker))
        problems.add((*path, "step"), f"{show(at.step)} is no step of {who}", near)
        return
    if at.path is not None and at.path not in on:
        message = f"{show(at.step)} of {who} is not on it, but on {', '.join(on)}"
        problems.add((*path, "path"), message, on[0])
        return
    why = steps.why_never(walker, at.path or (MESSAGE if MESSAGE in on else on[0]), at.step)
    if why is not None:
        problems.add((*path, "step"), f"{show(at.step)} is never come to: {why}")
