"""Readers on other hosts than the writer's: who they are, what may be done to them and their links.

They have no part in the ring, and so neither a place nor a step of it: only what is done to a
process from outside can be done to them.
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Type

from sim.abc import Capability, Fault
from sim.scenario.fault_schema import fault_of, parameters_of
from sim.scenario.lines import Path
from sim.scenario.names import ROLES, nearest, show
from sim.scenario.problems import Collector
from sim.scenario.tables import Process, Tables
from sim.scenario.who import Crew, candidates_of

HOSTS_MAX = 16
HOST = "host"
FROM_OUTSIDE = frozenset(
    {
        Capability.PAUSE,
        Capability.KILL,
        Capability.FREEZE,
        Capability.SLOW,
        Capability.SIGNAL,
        Capability.CPU_QUOTA,
        Capability.CROWD,
        Capability.LIMIT_FDS,
    }
)
# What a reader that receives from a socket has no use for.
OF_THE_RING = ("wait", "kernels", "python")


def host_of(process: Optional[Process]) -> Optional[str]:
    """None: the writer's."""
    return getattr(process, "host", None)


def hosts_of(crew: Crew) -> Sequence[str]:
    return tuple(dict.fromkeys(h for h in map(host_of, crew.values()) if h is not None))


def is_of_hosts(kind: Optional[Type[Fault]]) -> bool:
    """It is aimed at a host, not at a process."""
    return kind is not None and kind.roles == {HOST}


def aims_at(
    kind: Optional[Type[Fault]], target: str, crew: Crew
) -> Tuple[Sequence[str], Optional[str], Optional[str]]:
    """Whom the target of such a fault may mean, as sim.scenario.who.candidates_of."""
    if not is_of_hosts(kind):
        return candidates_of(target, crew)
    hosts = hosts_of(crew)
    if target in hosts:
        return (target,), None, None
    if not hosts:
        message = f"{show(target)} is no host: no reader of this file has a `host` of its own"
        return (), message, None
    message = f"{show(target)} is no host beside the writer's; there are {', '.join(hosts)}"
    return (), message, nearest(target, hosts)


def check_hosts(tables: Tables, crew: Crew, problems: Collector) -> None:
    hosts = hosts_of(crew)
    if not hosts:
        return
    if len(hosts) > HOSTS_MAX:
        problems.add(("process",), f"{len(hosts)} hosts beside the writer's; at most {HOSTS_MAX}")
    for index, process in enumerate(tables.processes):
        if process is not None and host_of(process) is not None:
            _check_reader(process, ("process", index), crew, problems)
    readers = [each for each in crew.values() if each.role == "reader"]
    if all(host_of(each) is not None for each in readers):
        message = "every reader is on another host: one at least is on the writer's, at its ring"
        problems.add(("process",), message)
    for index, table in enumerate(tables.faults):
        if table is not None:
            _check_fault(table, ("fault", index), crew, problems)


def _check_reader(process: Any, path: Path, crew: Crew, problems: Collector) -> None:
    if process.host in crew or process.host in ROLES:
        message = f"{show(process.host)} is what processes are called: a fault could mean either"
        problems.add((*path, "host"), message)
    for key in OF_THE_RING:
        if key in process.model_fields_set:
            message = f"is of readers of the ring: {process.name} is on host {process.host}"
            problems.add((*path, key), message)


def _check_fault(table: Any, path: Path, crew: Crew, problems: Collector) -> None:
    kind = fault_of(table)
    if kind is None:
        return
    if is_of_hosts(kind):
        _check_fault_of_host(kind, table, path, problems)
        return
    candidates, refusal, _ = candidates_of(table.target, crew)
    if refusal is not None:
        return
    away = [name for name in candidates if host_of(crew[name.split("[")[0]]) is not None]
    if away and not kind.requires <= FROM_OUTSIDE:
        message = f"{away[0]} is on another host, and {table.kind} acts on readers of the ring"
        problems.add((*path, "target"), message)
    if "writer" in [crew[name.split("[")[0]].role for name in candidates]:
        if Capability.HOLD_BACK in kind.requires or _has_successor(kind, table):
            message = f"{table.kind}: a writer with readers on other hosts is there from the start"
            problems.add((*path, "kind"), message + ", and has no successor")


def _has_successor(kind: Type[Fault], table: Any) -> bool:
    return Capability.RESTART in kind.requires or getattr(table, "restart_after", None) is not None


def _check_fault_of_host(kind: Type[Fault], table: Any, path: Path, problems: Collector) -> None:
    if kind.requires != {Capability.NETWORK}:
        problems.add((*path, "kind"), f"{table.kind} is of the hosts of a [cluster]")
        return
    parameters = parameters_of(kind, table)
    # That would be sch_netem's, which not every kernel has.
    said: List[str] = [name for name in ("extra_ns", "loss") if parameters.get(name)]
    for name in said:
        key = name.replace("_ns", "")
        problems.add((*path, key), "is of the links of a [cluster]: a real one gets narrow alone")
