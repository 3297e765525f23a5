"""From scenario files to checked scenarios, or to every problem they have. Starts nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from sim.abc import NO_TRANSPORT
from sim.errors import Problem, ScenarioError
from sim.scenario import agreement, clusters, hosts, programs, step_sweep
from sim.scenario.document import Document, parse_document, read_document
from sim.scenario.expect_models import Bounds
from sim.scenario.exploring import explored, sometimes
from sim.scenario.fault_schema import find_fault, heal_key, parameters_of
from sim.scenario.lines import Path as KeyPath
from sim.scenario.lines import spell
from sim.scenario.models import (
    AfterOps,
    AtProbe,
    AtStep,
    ReaderWorkload,
    Uniform,
    WriterWorkload,
)
from sim.scenario.names import find_checker, ring_checker_names
from sim.scenario.plan import Expectation
from sim.scenario.problems import Collector
from sim.scenario.program_models import ProgramProcess
from sim.scenario.scenario import (
    FaultTable,
    ProcessTable,
    Receiving,
    Scenario,
    Sending,
    Sizes,
)
from sim.scenario.sweep import RUNS_MAX, Run, runs_of
from sim.scenario.tables import Process, Tables, checked_tables
from sim.scenario.who import Crew

PathLike = Union[str, "os.PathLike[str]"]

NS_PER_S = 1_000_000_000


def load(path: PathLike) -> Sequence[Scenario]:
    """One scenario per run of the file's sweep, or the one. Raises ScenarioError."""
    return _scenarios(read_document(Path(path)))


def count_runs(path: PathLike) -> int:
    """How many runs the file makes. Imports nothing that it names, and so leaves unchecked what
    only a plug-in knows, such as a fault's own keys. Raises ScenarioError."""
    return len(_checked(read_document(Path(path)), imports=False))


def load_text(text: str, file: str) -> Sequence[Scenario]:
    """As `load`, of a file called so whose text is at hand."""
    return _scenarios(parse_document(text, file))


def _scenarios(document: Document) -> Sequence[Scenario]:
    checked = _checked(document, imports=True)
    return tuple(_scenario(tables, run, document) for tables, run in checked)


def _checked(document: Document, *, imports: bool) -> Sequence[Tuple[Tables, Run]]:
    outer = Collector(document.file, document.lines)
    runs = runs_of(document.keys, outer)
    if not runs:  # the sweep is wrong: the rest is judged as it stands in the file
        keys = {name: value for name, value in document.keys.items() if name != "sweep"}
        runs = (Run("", keys, {}, keys),)
    found: Dict[Problem, None] = dict.fromkeys(outer.found)
    checked: List[Tuple[Tables, Run]] = []
    for run in runs:
        problems = Collector(document.file, document.lines, run.moved)
        tables = checked_tables(run.keys, problems, imports=imports)
        if tables.is_of_cluster:
            clusters.check_cluster(tables, run.keys, problems)
        else:
            clusters.refuse_its_words(tables, problems)
            agreement.check_agreement(tables, problems)
            step_sweep.check_steps(tables, problems)
        found.update(dict.fromkeys(problems.found))
        if not found:
            for stepped, suffix in step_sweep.each_step(tables, run.suffix):
                alone = step_sweep.alone(run.alone, stepped)
                checked.append((stepped, replace(run, suffix=suffix, alone=alone)))
    if len(checked) > RUNS_MAX:
        message = f"makes {len(checked)} runs with its steps; at most {RUNS_MAX}"
        found[Problem(document.file, document.lines.nearest(("sweep",)), "sweep", message)] = None
    if found:
        raise ScenarioError(sorted(found, key=lambda problem: problem.line or 0))
    return checked


def discover(paths: Sequence[PathLike]) -> List[Path]:
    """The files named and the *.toml files in folders named, each once. Raises ScenarioError."""
    found: Dict[Path, None] = {}
    problems: List[Problem] = []
    for named in paths:
        path = Path(named)
        try:
            if not os.fspath(named):  # Path takes it for the current folder
                problems.append(Problem("''", None, None, "names no file or folder"))
            elif path.is_dir():
                inside = sorted(path.rglob("*.toml"))
                if not inside:
                    problems.append(Problem(str(path), None, None, "holds no *.toml file"))
                found.update(dict.fromkeys(inside))
            elif path.exists():
                found[path] = None
            else:
                problems.append(Problem(str(path), None, None, "no such file or folder"))
        except (OSError, ValueError) as error:
            problems.append(Problem(str(path), None, None, f"cannot be read: {error}"))
    if problems:
        raise ScenarioError(problems)
    return list(found)


def _scenario(tables: Tables, run: Run, document: Document) -> Scenario:
    assert tables.head is not None and tables.transport is not None
    processes = [process for process in tables.processes if process is not None]
    crew = {process.name: process for process in processes}
    at_ring = [p for p in processes if p.role == "reader" and hosts.host_of(p) is None]
    readers = sum(process.count for process in at_ring)
    kind_path = ("transport", "kind")
    are_programs = programs.has_programs(processes)
    standard = programs.CHECKERS if are_programs else ring_checker_names()
    transport = agreement.transport_spec(tables.transport, readers=readers)
    worlds: Sequence[str] = tuple(dict.fromkeys(tables.head.worlds))
    if are_programs:
        worlds = programs.worlds_of(tables.head)
    if tables.cluster is not None:
        standard, worlds = clusters.CHECKERS, ("virtual",)
        transport = clusters.ring_of(tables.cluster)
    return Scenario(
        name=tables.head.name + run.suffix,
        story=tables.head.story,
        path=document.file,
        reference=tuple(tables.head.reference),
        variant=tables.head.variant,
        worlds=worlds,
        deadline_ns=tables.head.deadline,
        stall_threshold_ns=tables.head.stall_threshold,
        transport=NO_TRANSPORT if are_programs else transport,
        transport_line=_line(kind_path, run, document),
        processes=tuple(map(_process, processes)),
        faults=tuple(_fault(i, tables, crew) for i in range(len(tables.faults))),
        checkers=tuple(check.alias for check in tables.checks if check) or standard,
        expectations=tuple(_expectation(i, table) for i, table in enumerate(tables.expects)),
        explore=explored(tables.explore),
        sometimes=tuple(sometimes(i, table) for i, table in enumerate(tables.sometimes) if table),
        cluster=None if tables.cluster is None else clusters.cluster_plan(tables.cluster),
        source=run.alone,
        lines={spell(path): _line(path, run, document) for path in _of_one_world(tables)},
    )


def _of_one_world(tables: Tables) -> Iterator[KeyPath]:
    """The keys that may ask for what only one world has."""
    yield from (("transport", "kind"), ("process",), ("cluster",))
    for index in range(len(tables.processes)):
        for key in ("kernels", "start", "env", "python", "program", "argv", "host"):
            yield ("process", index, key)
        yield ("process", index, "workload", "size_bytes")
    for index in range(len(tables.faults)):
        yield ("fault", index, "kind")
    for index in range(len(tables.checks)):
        yield ("check", index, "alias")


def _line(path: KeyPath, run: Run, document: Document) -> Optional[int]:
    return run.moved.get(path, document.lines.nearest(path))


def _process(table: Process) -> ProcessTable:
    if isinstance(table, ProgramProcess):
        return ProcessTable(
            name=table.name,
            role=table.role,
            count=table.count,
            wait=table.wait,
            start=table.start,
            env=dict(table.env),
            workload=programs.workload_of(table),
            python=table.python,
        )
    return ProcessTable(
        name=table.name,
        role=table.role,
        count=table.count,
        wait=table.wait,
        start=table.start,
        env=dict(table.env),
        workload=_workload(table.workload),
        kernels=table.kernels,
        python=table.python,
        host=hosts.host_of(table),
    )


def _workload(workload: Union[WriterWorkload, ReaderWorkload]) -> Union[Sending, Receiving]:
    if isinstance(workload, ReaderWorkload):
        return Receiving(workload.think, workload.deadline, workload.on_timeout)
    size = workload.size_bytes
    return Sending(
        messages=workload.messages,
        sizes=Sizes(*size.uniform) if isinstance(size, Uniform) else Sizes(size, size),
        interval_ns=round(NS_PER_S / workload.rate_hz) if workload.rate_hz else 0,
        deadline_ns=workload.deadline,
        on_timeout=workload.on_timeout,
        finish=workload.finish,
    )


def _fault(index: int, tables: Tables, crew: Crew) -> FaultTable:
    table: Any = tables.faults[index]
    kind = find_fault(table.kind)
    if tables.cluster is not None:
        candidates = clusters.candidates_of(table.target, tables.cluster)
    else:
        candidates, refusal, _ = hosts.aims_at(kind, table.target, crew)
        assert refusal is None
    by_ops: Any = table.at if isinstance(table.at, (AfterOps, AtStep)) else None
    at_step: Optional[AtStep] = table.at if isinstance(table.at, AtStep) else None
    at_probe: Optional[AtProbe] = table.at if isinstance(table.at, AtProbe) else None
    at_ns = table.at if table.at is not None else table.every or 0
    if by_ops or at_probe:
        at_ns = None
    healing = heal_key(kind)
    return FaultTable(
        key=f"fault[{index}]",
        kind=kind,
        parameters=parameters_of(kind, table),
        candidates=tuple(candidates),
        selector=table.target.partition(":")[2] or None,
        at_ns=at_ns,
        after_ops=by_ops.after_ops if by_ops else None,
        after_process=getattr(by_ops or at_probe, "process", None),
        every_ns=table.every or 0,
        times=table.times,
        heal_after_ns=getattr(table, healing) if healing else None,
        step=at_step.step if at_step else None,
        occurrence=getattr(at_step or at_probe, "occurrence", 1),
        probe=at_probe.probe if at_probe else None,
        path=step_sweep.path_of(at_step, tables, crew, candidates[0]) if at_step else "",
    )


def _expectation(index: int, table: Any) -> Expectation:
    key = f"expect[{index}]"
    if hasattr(table, "verdict"):
        checker = None if table.checker is None else find_checker(table.checker).alias
        return Expectation(key, verdict=table.verdict, checker=checker)
    if hasattr(table, "exit"):
        exit_text = table.exit.signal or str(table.exit.status)
        return Expectation(key, process=table.process, exit=exit_text)
    if hasattr(table, "blame"):
        return Expectation(key, blame=table.blame, within_ns=table.within)
    if hasattr(table, "hang"):
        return Expectation(
            key,
            hang=table.hang,
            waiting=table.waiting,
            waited_for=table.on,
            within_ns=table.within,
        )
    if hasattr(table, "output"):
        least, most = _bounds(table.output.count)
        return Expectation(
            key,
            process=table.process,
            count_min=least,
            count_max=most,
            stream=table.output.stream,
            output_matches=table.output.matches,
        )
    if hasattr(table, "probe"):
        least, most = _bounds(table.count)
        return Expectation(
            key, process=table.process, probe=table.probe, count_min=least, count_max=most
        )
    if hasattr(table, "log"):
        least, most = _bounds(table.log.count)
        return Expectation(
            key,
            process=table.process,
            count_min=least,
            count_max=most,
            log_logger=table.log.logger,
            log_level=table.log.level,
            log_matches=table.log.matches,
        )
    least, most = _bounds(table.count)
    return Expectation(
        key,
        process=table.process,
        op=table.op,
        outcome=table.outcome,
        count_min=least,
        count_max=most,
    )


def _bounds(count: Union[int, Bounds]) -> Tuple[int, Optional[int]]:
    return (count.min, count.max) if isinstance(count, Bounds) else (count, count)
