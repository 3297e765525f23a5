"""Checks that the tables of a file agree: who is named exists, what is sent fits."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Type

from sim import transport
from sim.abc import Capability, Fault, TransportSpec
from sim.abc import Transport as TransportSeam
from sim.scenario import hosts
from sim.scenario.durations import format_duration
from sim.scenario.fault_schema import aimed, fault_of, heal_key, parameters_of
from sim.scenario.lines import Path
from sim.scenario.models import (
    READERS_MAX,
    AfterOps,
    AtProbe,
    AtStep,
    Transport,
    Uniform,
    WriterProcess,
)
from sim.scenario.names import nearest, show
from sim.scenario.problems import Collector
from sim.scenario.program_models import PROGRAM
from sim.scenario.programs import has_programs
from sim.scenario.tables import Process, Tables
from sim.scenario.who import Crew, candidates_of, chosen_max, everybody_in

REGION_MAX_BYTES = 2**31  # what a run may take of /dev/shm
INJECTIONS_MAX = 2_000  # each costs signals and evidence: more would not fit a day

PLACES = (AfterOps, AtStep, AtProbe)


def check_agreement(tables: Tables, problems: Collector) -> None:
    crew = _check_processes(tables.processes, problems)
    is_crew_known = None not in tables.processes and bool(crew)
    known_transport = _check_transport(tables, problems)
    if known_transport is not None and tables.transport is not None:
        for index, process in enumerate(tables.processes):
            _check_sizes(known_transport, tables.transport, process, index, problems)
    deadline_ns = tables.head.deadline if tables.head else None
    for index, table in enumerate(tables.faults):
        if table is None:
            continue
        path: Path = ("fault", index)
        check_fault_times(table, path, deadline_ns, problems)
        if is_crew_known:
            _check_fault_target(table, path, crew, problems)
        if known_transport is not None and not known_transport.knows_owner:
            if getattr(table, "restart_after", None) is not None:
                message = f"{known_transport.alias} knows no owner: nobody can take a place over"
                problems.add((*path, "kind"), message)
    if is_crew_known:
        hosts.check_hosts(tables, crew, problems)
        _check_injections(tables.faults, crew, problems)
    check_checks(tables, problems)
    _check_expectations(tables, crew if is_crew_known else None, problems)
    _check_sometimes(tables, crew if is_crew_known else None, problems)


def _check_processes(processes: Sequence[Optional[Process]], problems: Collector) -> Crew:
    crew: Dict[str, Process] = {}
    for index, process in enumerate(processes):
        if process is None:
            continue
        if process.name in crew:
            message = f"{show(process.name)} is the name of an earlier [[process]] too"
            problems.add(("process", index, "name"), message)
        crew.setdefault(process.name, process)
        if process.python is not None and process.start != "template" and process.role != PROGRAM:
            message = f"{show(process.start)} would start it in the runner's interpreter, not in "
            problems.add(("process", index, "start"), message + show(process.python))
    if None in processes:
        return crew  # who is missing is not known
    writers = [i for i, p in enumerate(processes) if p is not None and p.role == "writer"]
    readers = [i for i, p in enumerate(processes) if p is not None and p.role == "reader"]
    if has_programs(processes):
        return crew
    if len(writers) > 1:
        message = f"a second writer; the first is process[{writers[0]}], and there is one"
        problems.add(("process", writers[1], "role"), message)
    if not writers:
        problems.add(("process",), 'nobody sends: one [[process]] with role = "writer" is needed')
    if not readers:
        problems.add(("process",), 'nobody receives: a [[process]] with role = "reader" is needed')
    count = sum(process.count for process in processes if process and process.role == "reader")
    if count > READERS_MAX:
        problems.add(
            ("process", readers[-1], "count"), f"{count} readers in all; at most {READERS_MAX}"
        )
    return crew


def _check_transport(tables: Tables, problems: Collector) -> Optional[TransportSeam]:
    """The transport, unless it is a plug-in: those are not imported to check a file."""
    table = tables.transport
    if table is None:
        return None
    if table.slots * table.slot_bytes > REGION_MAX_BYTES:
        message = f"{table.slots} slots of {table.slot_bytes} bytes make "
        message += f"{table.slots * table.slot_bytes} bytes; at most {REGION_MAX_BYTES}"
        problems.add(("transport", "slots"), message)
    if table.kind not in transport.TRANSPORTS:
        return None
    kind = transport.TRANSPORTS[table.kind]
    for key, value, valid in (
        ("order", table.order, kind.orders),
        ("mutant", table.mutant, kind.mutants),
    ):
        if value is not None and value not in valid:
            listed = f"one of {', '.join(valid)}" if valid else f"it has no {key}s"
            message = f"unknown {key} {show(value)} of {table.kind}; {listed}"
            problems.add(("transport", key), message, nearest(value, valid))
    if table.mutant in kind.mutants and table.order not in (None, "fenced"):
        message = f"mutants act on order fenced, not on {show(table.order)}"
        problems.add(("transport", "mutant"), message)
    if table.evict_dead and not kind.knows_owner:
        message = f"true, but {table.kind} knows no owner: it cannot tell who is dead"
        problems.add(("transport", "evict_dead"), message)
    return kind


def transport_spec(table: Transport, *, readers: int) -> TransportSpec:
    kind = transport.TRANSPORTS.get(table.kind)
    order = table.order
    if order is None:
        orders = kind.orders if kind else ()
        order = "fenced" if "fenced" in orders or not orders else orders[0]
    return TransportSpec(
        kind=table.kind,
        readers=readers,
        slots=table.slots,
        slot_bytes=table.slot_bytes,
        order=order,
        mutant=table.mutant,
        reserve=table.reserve,
        evict_dead=table.evict_dead,
        remote_queue=table.remote_queue,
    )


def size_problem(kind: TransportSeam, name: str, size_bytes: int, slot_bytes: int) -> Optional[str]:
    """Why a message of this size does not fit, with both sizes; None where it does."""
    overhead_bytes = kind.message_overhead_bytes
    needed_bytes = size_bytes + overhead_bytes
    if needed_bytes <= slot_bytes:
        return None
    if not overhead_bytes:
        return f"a message of {size_bytes} bytes does not fit slot_bytes = {slot_bytes}"
    return (
        f"a message of {size_bytes} bytes needs {needed_bytes} with the {overhead_bytes} of"
        f" {name}; it does not fit slot_bytes = {slot_bytes}"
    )


def _check_sizes(
    kind: TransportSeam,
    table: Transport,
    process: Optional[Process],
    index: int,
    problems: Collector,
) -> None:
    if not isinstance(process, WriterProcess):
        return
    path: Path = ("process", index, "workload", "size_bytes")
    sizes = process.workload.size_bytes
    largest = max(sizes.uniform) if isinstance(sizes, Uniform) else sizes
    if isinstance(sizes, Uniform) and sizes.uniform[0] > sizes.uniform[1]:
        message = f"{sizes.uniform[0]} is more than {sizes.uniform[1]}: least comes first"
        problems.add((*path, "uniform"), message)
    message_or_none = size_problem(kind, table.kind, largest, table.slot_bytes)
    if message_or_none is not None:
        problems.add(path, message_or_none)


def check_fault_times(
    table: Any, path: Path, deadline_ns: Optional[int], problems: Collector
) -> None:
    kind = fault_of(table)
    if table.at is None and table.every is None and hasattr(kind, "prepare"):
        return  # it holds from before the start
    if table.at is None and table.every is None:
        problems.add((*path, "at"), "is required: a time, { process, after_ops }, or `every`")
        return
    if table.every is None:
        if table.times > 1:
            problems.add((*path, "times"), f"{table.times} times, but `every` is not given")
    elif isinstance(table.at, PLACES):
        problems.add((*path, "every"), "goes with a time in `at`, not with a place")
    elif "times" not in table.model_fields_set:
        problems.add((*path, "times"), "is required with `every`")
    if isinstance(table.at, PLACES):
        return
    first_ns = table.at if table.at is not None else table.every
    last_ns = first_ns + (table.every or 0) * (table.times - 1)
    if deadline_ns is not None and last_ns >= deadline_ns:
        key = "at" if table.at is not None and table.at >= deadline_ns else "every"
        message = f"{format_duration(last_ns)} after the start is not before the deadline of "
        problems.add((*path, key), message + format_duration(deadline_ns))
    if kind is not None:
        _check_overlap(table, heal_key(kind), path, problems)


def _check_overlap(table: Any, healing: Optional[str], path: Path, problems: Collector) -> None:
    if table.every is None or table.times == 1 or healing is None:
        return
    heal_ns = getattr(table, healing)
    if heal_ns is None:
        problems.add((*path, healing), "is required with `every`: one must end before the next")
    elif heal_ns >= table.every:
        message = f"{format_duration(heal_ns)} is not less than every = "
        problems.add((*path, healing), message + format_duration(table.every))


def _check_fault_target(table: Any, path: Path, crew: Crew, problems: Collector) -> None:
    kind = fault_of(table)
    candidates, message, near = hosts.aims_at(kind, table.target, crew)
    if message is not None:
        problems.add((*path, "target"), message, near)
    if isinstance(table.at, PLACES) and table.at.process is not None:
        name = table.at.process
        if name not in everybody_in(crew):
            _, message, near = candidates_of(name, crew)
            if message is None:
                message, near = f"{show(name)} is a selector: name one process", None
            problems.add((*path, "at", "process"), message, near)
    if hosts.is_of_hosts(kind):
        _check_place_of_host(table, path, problems)
    elif kind is not None:
        _check_fault_kind(kind, table, candidates, path, crew, problems)


def _check_place_of_host(table: Any, path: Path, problems: Collector) -> None:
    if isinstance(table.at, PLACES) and table.at.process is None:
        message = "a host does nothing by itself: name whose operations are counted"
        problems.add((*path, "at", "process"), message)


def _check_fault_kind(
    kind: Type[Fault],
    table: Any,
    candidates: Sequence[str],
    path: Path,
    crew: Crew,
    problems: Collector,
) -> None:
    roles = {crew[name.split("[")[0]].role for name in candidates}
    for role in sorted(roles - kind.roles):
        wanted = " or ".join(sorted(kind.roles))
        message = f"{show(table.target)} is a {role}: {table.kind} needs a {wanted}"
        problems.add((*path, "target"), message)
    if kind.fatal and heal_key(kind) is None and candidates and table.times > 1:
        deaths = table.times * chosen_max(table.target, len(candidates))
        if deaths > len(candidates):
            message = f"up to {deaths} deaths of {len(candidates)} processes: nobody dies twice"
            problems.add((*path, "times"), message)
    counts = isinstance(table.at, (AfterOps, AtStep))
    if counts and Capability.HOLD_BACK in kind.requires:
        if table.at.process in (None, *candidates):
            message = f"{show(table.target)} does nothing until then: wait for another process"
            problems.add((*path, "at"), message)
    try:
        fault = aimed(kind, candidates[0] if candidates else "writer", parameters_of(kind, table))
    except (TypeError, ValueError) as error:  # the former of a plug-in that takes other arguments
        problems.add(path, str(error))
        return
    waits_by: Sequence[str] = getattr(fault, "waits_by", ())
    for wait in sorted({crew[name.split("[")[0]].wait for name in candidates}):
        if waits_by and wait not in waits_by:
            message = f"{show(table.target)} waits by {wait}: {table.kind} needs one of "
            problems.add((*path, "target"), message + ", ".join(waits_by))


def _check_injections(tables: Sequence[Any], crew: Crew, problems: Collector) -> None:
    count = 0
    for index, table in enumerate(tables):
        if table is not None:
            candidates, _, _ = hosts.aims_at(fault_of(table), table.target, crew)
            count += table.times * chosen_max(table.target, len(candidates))
        if count > INJECTIONS_MAX:
            message = f"makes up to {count} injections in all; at most {INJECTIONS_MAX}"
            problems.add(("fault", index, "times"), message)
            return


def check_checks(tables: Tables, problems: Collector) -> None:
    seen: List[str] = []
    for index, check in enumerate(tables.checks):
        if check is not None and check.alias in seen:
            problems.add(("check", index, "alias"), f"{show(check.alias)} is listed twice")
        elif check is not None:
            seen.append(check.alias)


def _check_expectations(tables: Tables, crew: Optional[Crew], problems: Collector) -> None:
    checks = [check.alias for check in tables.checks if check is not None]
    verdict_index = None
    for index, table in enumerate(tables.expects):
        path: Path = ("expect", index)
        if table is None:
            continue
        if hasattr(table, "verdict"):
            if verdict_index is not None:
                message = f"a second verdict; the first is expect[{verdict_index}]"
                problems.add((*path, "verdict"), message)
            verdict_index = index if verdict_index is None else verdict_index
            _check_verdict(table, path, checks, problems)
        elif hasattr(table, "hang"):
            for name in ("waiting", "on"):
                if crew is not None and getattr(table, name) is not None:
                    _check_party(table, path, crew, problems, name)
        elif crew is not None:
            _check_party(table, path, crew, problems)
        _check_counts(table, path, problems)


def _check_sometimes(tables: Tables, crew: Optional[Crew], problems: Collector) -> None:
    for index, table in enumerate(tables.sometimes):
        if crew is not None and getattr(table, "process", None) is not None:
            _check_party(table, ("sometimes", index), crew, problems)


def _check_verdict(table: Any, path: Path, checks: Sequence[str], problems: Collector) -> None:
    if table.checker is None:
        return
    if table.verdict == "valid":
        problems.add((*path, "checker"), "names who must object, but the verdict is valid")
    if checks and table.checker not in checks:
        message = f"{show(table.checker)} does not run: it is in no [[check]] of this file"
        problems.add((*path, "checker"), message, nearest(table.checker, checks))


def _check_party(
    table: Any, path: Path, crew: Crew, problems: Collector, key: str = "process"
) -> None:
    party = getattr(table, key)
    name = party.split("[")[0].split(":")[0]
    if party not in crew and party not in everybody_in(crew):
        _, message, near = candidates_of(party, crew)
        if message is None:
            message, near = f"{show(party)}: an expectation takes no selector", name
        problems.add((*path, key), message, near)
        return
    op = getattr(table, "op", None)
    does = "send" if crew[name].role == "writer" else "receive"
    if op is not None and op != does:
        problems.add((*path, "op"), f"{show(op)}, but {name} is a {crew[name].role}", does)


def _check_counts(table: Any, path: Path, problems: Collector) -> None:
    if hasattr(table, "exit"):
        if (table.exit.signal is None) == (table.exit.status is None):
            problems.add((*path, "exit"), "needs one of signal and status")
        return
    inner = next((name for name in ("log", "output") if hasattr(table, name)), None)
    at: Path = (*path, inner, "count") if inner else (*path, "count")
    count = getattr(getattr(table, inner) if inner else table, "count", None)
    least, most = getattr(count, "min", None), getattr(count, "max", None)
    if least is not None and most is not None and least > most:
        problems.add(at, f"min = {least} is more than max = {most}")
